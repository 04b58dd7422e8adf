"""Applies the filters in their order to a text as it streams in; those about lines and white space are here, too."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from aix_lsp.completion.brackets import state_at
from aix_lsp.completion.cursor import CursorContext
from aix_lsp.completion.postprocess import Cut
from aix_lsp.completion.postprocess.balance import Fitted, balance, fit
from aix_lsp.completion.postprocess.duplicates import above, below, echo, overlap, repetition
from aix_lsp.completion.postprocess.markers import chat, markers, placeholders
from aix_lsp.fim.block import BlockEnd, opens_block
from aix_lsp.grammars import parse
from aix_lsp.languages import language_of

__all__ = ["Cut", "Fitted", "apply", "fit", "of", "syntax_errors", "whole_words"]

Filter = Callable[[str, CursorContext, bool], Cut]

_TIME_LIMIT_S = 0.05
"""Seconds on the event loop; a text that takes longer to parse is not judged."""
_LAST_WORD = re.compile(r"((?<![.:])(\.|::)|->|\\)\w*\Z|(?<=\W)\w+\Z")
_INDENTED = re.compile(r"^([ \t])[ \t]*(?=[^\s*])", re.MULTILINE)
"""Comment lines that begin with a star are indented by one more space, whatever the file uses."""
_ENOUGH = 3
_INDENTED_LINE = re.compile(r"^( {2,})[^\s*]", re.MULTILINE)
_GOES_ON = tuple("([{,=\\|&+-*/<?")
"""A line with such an ending continues on the next, indented deeper."""
_CONTINUES = tuple(".?:|&+-*/")
"""A line with such a beginning continues the one above."""


def one_line(text: str, cursor: CursorContext, done: bool) -> Cut:
    """Keep the first line."""
    line, newline, _ = text.partition("\n")
    return Cut(line, stop=bool(newline))


def scope(text: str, cursor: CursorContext, done: bool) -> Cut:
    """Keep what is indented deeper than the line that opened the block; otherwise one statement or paragraph."""
    return Cut(*BlockEnd(cursor.line_before, siblings=True).feed(f"{text}\n" if done else text))


def tabs(text: str, cursor: CursorContext, done: bool) -> Cut:
    """Keep what comes before the first line indented with tabs in a file of spaces, or the other way round.

    A file that has both is left alone. Converting the line's indentation would change strings, too.
    """
    wanted = _indents_by(cursor.before, cursor.after)
    if wanted is None or "\n" not in text:
        return Cut(text)
    for match in _INDENTED.finditer(text, text.index("\n") + 1):
        if match[1] != wanted:
            return Cut(text[: match.start() - 1], stop=True)
    return Cut(text)


@lru_cache(maxsize=64)
def _indents_by(before: str, after: str) -> str | None:
    """The character that indents all lines around a cursor; None if they differ or none is indented."""
    found = _INDENTED.findall(before.partition("\n")[2] + "\n" + after.partition("\n")[2])
    return found[0] if len(found) >= _ENOUGH and len(set(found)) == 1 else None


def trailing(text: str, cursor: CursorContext, done: bool) -> Cut:
    """Strip white space from the end, unless a word follows right of the cursor."""
    bare = text.rstrip()
    if not bare or not done:
        return Cut(bare)
    rest = cursor.line_after
    if rest[:1].isalnum() and "\n" not in text[len(bare) :]:
        return Cut(text)
    return Cut(bare)


def indentation(text: str, cursor: CursorContext, done: bool) -> Cut:
    """Drop indentation that repeats what is before the cursor, give or take one space.

    Deeper indentation stays after a line that calls for it, in strings and comments, and if it completes indentation
    that the user has begun.
    """
    before = cursor.line_before
    if not before or before.strip() or cursor.line_after.strip():
        return Cut(text)
    code = text.lstrip(" \t")
    if not code:
        return Cut("")
    lead = text[: len(text) - len(code)]
    # Token healing may have taken one space from what is repeated.
    repeats = len(lead) == 1 or abs(len(lead) - len(before)) <= 1
    if (
        not lead
        or not repeats
        or code.startswith("\n")
        or _is_deeper(code, cursor)
        or _completes(lead, cursor)
    ):
        return Cut(text)
    return Cut(code)


def _is_deeper(code: str, cursor: CursorContext) -> bool:
    """Whether the cursor's line may plausibly be indented deeper than it is."""
    above = cursor.line_above()
    indent = above[: len(above) - len(above.lstrip())]
    opens = opens_block(above, language_of(cursor.language)) or above.endswith(_GOES_ON)
    if opens and len(indent) >= len(cursor.line_before):
        return True
    return code.startswith(_CONTINUES) or bool(state_at(cursor.before, cursor.language))


def _completes(lead: str, cursor: CursorContext) -> bool:
    """Whether the cursor's line is indented by part of a step, and `lead` completes it."""
    before = cursor.line_before
    if "\t" in before + lead:
        return False
    found = _INDENTED_LINE.findall(cursor.before) + _INDENTED_LINE.findall(cursor.after)
    unit = min(map(len, found), default=4)
    return len(before) % unit != 0 and (len(before) + len(lead)) % unit == 0


_FIRST: tuple[Filter, ...] = (chat, indentation, markers, placeholders, echo)
_LAST: tuple[Filter, ...] = (balance, above, below, repetition, tabs, trailing)
LINE = (*_FIRST, overlap, one_line, *_LAST)
BLOCK = (*_FIRST, scope, *_LAST)


def of(multiline: bool) -> tuple[Filter, ...]:
    """The filters for suggestions of one line, or of several, in order."""
    return BLOCK if multiline else LINE


def apply(text: str, cursor: CursorContext, multiline: bool, done: bool) -> Cut:
    """The part of `text`, which is all that was generated so far, that may be shown.

    `done` says that nothing will be added; `stop` in the result says that nothing that is added would be shown.
    """
    text = whole = text.replace("\r\n", "\n").replace("\r", "\n")
    stopped = False
    for each in of(multiline):
        if not stopped and whole[len(text) :].startswith("\n") and whole.startswith(text):
            text += "\n"  # what the previous filter holds back is on the next line: this one will not grow
        whole = text
        text, stop = each(text, cursor, done or stopped)
        stopped = stopped or stop
    return Cut(text, stopped)


def whole_words(text: str) -> str:
    """The text without its last word, which may be incomplete; a text of one word stays as it is."""
    head = _LAST_WORD.sub("", text).rstrip()
    return head if head else text


def syntax_errors(text: str, replaced: int, cursor: CursorContext) -> int:
    """The number of syntax errors around a cursor if `text` replaces `replaced` characters right of it.

    Meaningful only in comparison with another text, since the part that is parsed may begin and end anywhere. 0 for
    languages without a grammar.
    """
    return _errors(cursor.before + text + cursor.after[replaced:], cursor.language)


@lru_cache(maxsize=32)
def _errors(source: str, language: str) -> int:
    tree = parse(source.encode("utf-8", "replace"), language, _TIME_LIMIT_S)
    if tree is None:
        return 0
    count, walk = 0, tree.walk()
    while True:
        node = walk.node
        assert node is not None
        count += node.is_error or node.is_missing
        if node.has_error and walk.goto_first_child():
            continue
        while not walk.goto_next_sibling():
            if not walk.goto_parent():
                return count
