"""Ends a suggestion at the end of its line, or of the block around the cursor, and trims white space."""

from __future__ import annotations

import re
from functools import lru_cache

from aix_lsp.completion.cursor import CursorContext
from aix_lsp.completion.postprocess.filter import Cut
from aix_lsp.fim.block import BlockEnd

_INDENTED = re.compile(r"^([ \t])[ \t]*(?=[^\s*])", re.MULTILINE)
"""Lines of a comment that begin with a star stand a blank in, whatever the file has."""
_ENOUGH = 3


def one_line(text: str, cursor: CursorContext, done: bool) -> Cut:
    """Keep the first line."""
    line, newline, _ = text.partition("\n")
    return Cut(line, stop=bool(newline))


def scope(text: str, cursor: CursorContext, done: bool) -> Cut:
    """Keep what is deeper than the line that opened the block; else one statement or paragraph."""
    return Cut(*BlockEnd(cursor.line_before, siblings=True).feed(f"{text}\n" if done else text))


def tabs(text: str, cursor: CursorContext, done: bool) -> Cut:
    """Keep what comes before the first such line. A file that has both is left alone.

    To write the line with the file's own would change strings, too.
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
    """What all lines around a cursor are indented with; None where that is no single character, or not known."""
    found = _INDENTED.findall(before.partition("\n")[2] + "\n" + after.partition("\n")[2])
    return found[0] if len(found) >= _ENOUGH and len(set(found)) == 1 else None


def trailing(text: str, cursor: CursorContext, done: bool) -> Cut:
    """Take white space from the end; keep blanks that part the suggestion from a word right of the cursor."""
    bare = text.rstrip()
    if not bare or not done:
        return Cut(bare)
    rest = cursor.line_after
    if rest[:1].isalnum() and "\n" not in text[len(bare) :]:
        return Cut(text)
    return Cut(bare)
