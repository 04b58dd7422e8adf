"""In mid-line: takes from a suggestion what the line goes on with, and drops one that goes on otherwise."""

from __future__ import annotations

import re

from aix_lsp.completion.cursor import CursorContext
from aix_lsp.completion.postprocess.cut import Cut

_WORD = re.compile(r"\w+")
_SURE = 3
"""This many characters of the line's rest, or all of it, at the suggestion's end are no accident."""


def overlap(text: str, cursor: CursorContext, done: bool) -> Cut:
    """Cut the rest of the line where the suggestion writes it again.

    A suggestion that ends its line without the rest has written another line: in front of the rest it would
    make nonsense, but for the word that it begins with, which may end the one at the cursor. Which it is shows at
    its end only, so that until then no more than that word is shown.
    """
    rest = cursor.line_after.rstrip()
    if not cursor.in_mid_line:
        return Cut(text)
    line, newline, _ = text.partition("\n")
    at = line.find(rest.strip())
    if at >= 0:
        return Cut(line[:at] if rest[0] != " " else line[:at].rstrip(), stop=True)
    word = _WORD.match(line)
    if newline:
        keep = word if cursor.word_before or not rest[0].isalnum() else None
        return Cut(keep[0] if keep else "", stop=True)
    if not done:
        # A rest that begins with a word may begin inside this one.
        whole = word if not _WORD.match(rest.strip()) else None
        return Cut(whole[0] if whole and whole.end() < len(line) else "")
    shared = _shared(line, rest)
    return Cut(line[: len(line) - shared] if shared >= min(_SURE, len(rest)) else line)


def _shared(line: str, rest: str) -> int:
    """How much of the line's end is the rest's head."""
    for length in range(min(len(line), len(rest)), 0, -1):
        if line.endswith(rest[:length]):
            return length
    return 0
