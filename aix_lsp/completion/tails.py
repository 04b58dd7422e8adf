"""Takes from a finished suggestion the tail that makes a syntax error where there was none. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from aix_lsp.completion import postprocess
from aix_lsp.completion.brackets import PAIRS, state_at, unpaired
from aix_lsp.completion.cursor import CursorContext
from aix_lsp.completion.languages import language_of
from aix_lsp.completion.syntactic_context import syntactic_context
from aix_lsp.completion.syntax import adds_error, errors_around

_ENDS = re.compile(r"[\w\"'`)\]}](?!\w)|[{(\[:](?=\s*\n)")
"""Where a head of a text may end: behind a word, a string or a closer, and behind what opens a block of lines."""
_BROKEN = 3
"""Where more is wrong around the cursor's line, how an error more comes about cannot be told. A scene that begins in
the middle of something has some errors for that."""
_NEAR, _FAR = 6, 4
"""How many heads are tried; each is parsed, which takes half a millisecond or more."""
_CLOSERS = {opener: closer for closer, opener in PAIRS.items()}
_GOES_ON: Mapping[str, tuple[str, ...]] = {
    "colon": (
        "x",
        " x",
        " x: pass",
        ": pass",
        "(): pass",
        " x(): pass",
        " in x: pass",
        " import x",
        " else x",
        ": x",
    ),
    "brace": (" x", "x", " x = 0", " = 0", " {}", " x {}", "() {}", " x() {}", " (x) {}", ": x", " from 'x'"),
    "end": ("x", " x"),
}
"""How a statement that ends too early may go on, by the language's blocks: `i|f`, `from a`, `const`, `x = a if b`."""


def sound(text: str, cursor: CursorContext, ended: bool = True) -> str:
    """The longest head of `text` that adds no syntax error at the scene's cursor; all of it where none does.

    What is still open may be closed by the user, and a block without a body get one. Where the model had not `ended`,
    the user may also go on with the statement.
    """
    if not text.strip() or syntactic_context(cursor) not in ("code", "parentheses"):
        return text
    if errors_around(cursor) > _BROKEN:
        return text
    if not ended and _may_go_on(text, cursor):
        return text
    for ends_line in (
        True,
        False,
    ):  # a head that makes the line right is better than a longer one that does not
        for head in (text, *_heads(text, cursor)):
            if _is_sound(head, cursor, ends_line):
                return head
    return ""


def _may_go_on(text: str, cursor: CursorContext) -> bool:
    """Whether the line is right with something behind `text`."""
    more = _GOES_ON[language_of(cursor.language).block]
    return any(
        not adds_error(text + each + _lacking(text + each, cursor), 0, cursor, True) for each in ("", *more)
    )


def _heads(text: str, cursor: CursorContext) -> list[str]:
    """Heads to try, the longest first: all that end near the text's end, and some of those before."""
    whole = len(text.rstrip())
    ends = [match.end() for match in _ENDS.finditer(text) if match.end() < whole][::-1]
    if cursor.in_mid_line:
        ends = [end for end in ends if not _runs_into(text[:end], cursor)]
    near, far = ends[:_NEAR], ends[_NEAR:]
    step = max(1, -(-len(far) // _FAR))
    return [text[:end] for end in (*near, *far[::-1][::step][::-1])]


def _runs_into(head: str, cursor: CursorContext) -> bool:
    """Whether a head would make one word, or one string or bracket, with the line's rest."""
    joined = bool(re.match(r"\w\w", head[-1:] + cursor.line_after[:1]))
    return joined or bool(_lacking(head, cursor))


def _is_sound(text: str, cursor: CursorContext, ends_line: bool) -> bool:
    fitted = postprocess.fit(text, cursor)
    return any(
        not adds_error(fitted.text + more, fitted.replace_right, cursor, ends_line)
        for more in _completions(fitted.text, cursor)
    )


def _completions(text: str, cursor: CursorContext) -> Iterator[str]:
    """What may be written behind a text that is right so far: nothing, the closers that it lacks, a body."""
    yield ""
    closers = _lacking(text, cursor)
    if closers:
        yield closers
    if language_of(cursor.language).block == "colon" and text.rstrip().endswith(":"):
        yield " pass" + closers


def _lacking(text: str, cursor: CursorContext) -> str:
    """The closers of what a text leaves open."""
    left = unpaired(text, cursor.language, state_at(cursor.before, cursor.language))
    closers = "".join(_CLOSERS[opener.char] for opener in reversed(left.openers))
    return left.state + closers if left.in_string else closers
