"""Ends a suggestion that loops: the same line, block of lines or piece of a line over and over.

The one filter that takes back what was shown: a circle is known as one only after some rounds.
"""

from __future__ import annotations

import re

from aix_lsp.completion.brackets import state_at, unpaired
from aix_lsp.completion.cursor import CursorContext
from aix_lsp.completion.postprocess.filter import Cut, significant

_PIECES = re.compile(r"(.{3,40}?)\1{4,}")
"""Five times the same is a circle; three times are an ordinary row."""
_LONG_PIECES = re.compile(r"(.{11,80}?)\1{2,}")
_LARGEST_BLOCK = 6
_STRING_PREFIX = re.compile(r"\b[A-Za-z]{1,2}\Z")
_WORD = re.compile(r"[\w.]+\Z")
_IN_WORD = re.compile(r"\w\w")
_OPEN_END = re.compile(r"[\s,.+\-*/%=<>&|^:!?]+\Z")


def repetition(text: str, cursor: CursorContext, done: bool) -> Cut:
    """Cut after the first round, and what that has left unfinished."""
    in_line, over_lines = _in_line(text), _over_lines(text)
    if in_line < over_lines:
        return Cut(_tidied(text, in_line, cursor), stop=True)
    return Cut(text[:over_lines], stop=over_lines < len(text))


def _in_line(text: str) -> int:
    """Where the second round of a repeated piece begins; the text's length where there is none."""
    ends = [
        match.end(1)
        for pattern in (_PIECES, _LONG_PIECES)
        for match in pattern.finditer(text)
        if _no_row(match[1])
    ]
    return min(ends, default=len(text))


def _no_row(snippet: str) -> bool:
    """Whether a piece is none of which people write rows: `0, 0, 0`, `-----`, `=-=-=-`."""
    if any(map(str.isalpha, snippet)):
        return True
    return not any(map(str.isdigit, snippet)) and len(set(snippet) - {" "}) > 2


def _tidied(text: str, end: int, cursor: CursorContext) -> str:
    """The text up to `end` without the string, the word or the operator that the cut leaves open."""
    kept, behind = text[:end], text[end:]
    left = unpaired(kept, cursor.language, state_at(cursor.before, cursor.language))
    if left.in_string and left.state in kept:
        kept = _STRING_PREFIX.sub("", kept[: kept.rfind(left.state)])
    elif _IN_WORD.fullmatch(kept[-1:] + behind[:1]):
        kept = _WORD.sub("", kept)
    return _OPEN_END.sub("", kept) if any(map(str.isalnum, kept)) else ""


def _over_lines(text: str) -> int:
    """Where the second of two equal blocks of lines begins; the text's length where there is none."""
    complete = text.split("\n")[:-1]
    for end in range(2, len(complete) + 1):
        for size in range(1, min(_LARGEST_BLOCK, end // 2) + 1):
            block = complete[end - size : end]
            if block == complete[end - 2 * size : end - size] and _says_something(block):
                return len("\n".join(complete[: end - size]))
    return len(text)


def _says_something(block: list[str]) -> bool:
    return any(significant(line) for line in block)
