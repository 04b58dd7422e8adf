"""Ends a suggestion of several lines where the block ends that the cursor stands in, or one thought on."""

from __future__ import annotations

from aix_lsp.completion.cursor import CursorContext
from aix_lsp.completion.languages import (
    Language,
    closes_block,
    continues_block,
    indentation,
    language_of,
    may_continue,
    opens_block,
)
from aix_lsp.completion.postprocess.cut import Cut


def scope(text: str, cursor: CursorContext, done: bool) -> Cut:
    """Keep what is deeper than the line that opened the block; on an empty line, one statement or paragraph.

    A line at the base's indentation that goes on with the block (`else:`, `} else {`) or closes it passes.
    """
    language = language_of(cursor.language)
    reader = _Reader(cursor, language)
    lines = text.split("\n")
    for index, line in enumerate(lines):
        partial = index == len(lines) - 1 and not done
        if partial and reader.undecided(line):
            return Cut("\n".join(lines[:index]))
        if not reader.takes(line, first=index == 0):
            return Cut("\n".join(lines[:index]), stop=True)
    return Cut(text)


class _Reader:
    """Follows the indentation from line to line."""

    def __init__(self, cursor: CursorContext, language: Language) -> None:
        self._language = language
        self._head = cursor.line_before
        self._under_opener = bool(self._head.strip()) and opens_block(self._head, language)
        self._base = indentation(self._head) if self._head.strip() else None
        self._only_deeper = self._under_opener
        self._blank = False
        self._closed = False

    def undecided(self, line: str) -> bool:
        """Whether more text may change the verdict on a line that has only begun."""
        if self._base is None or not line.strip():
            return False
        ends = indentation(line) <= self._base and self._only_deeper
        return ends and may_continue(line, self._language)

    def takes(self, line: str, first: bool) -> bool:
        if first:
            line = self._head + line
        if not line.strip():
            self._blank = self._blank or not first
            return True
        depth = indentation(line)
        if self._base is None:
            self._base = depth
            return True
        return first or self._goes_on(line, depth, self._base)

    def _goes_on(self, line: str, depth: int, base: int) -> bool:
        if depth > base:
            self._only_deeper = True
            self._blank = False
            return not self._closed
        if depth < base or self._closed:
            return False
        if self._only_deeper:
            self._closed = closes_block(line)
            return not self._blank_before(line) and continues_block(line, self._language)
        return not self._blank

    def _blank_before(self, line: str) -> bool:
        return self._blank and not closes_block(line)
