"""An immutable text that is cheap to edit: a sequence of blocks of lines, shared between versions."""

from __future__ import annotations

from typing import NamedTuple


class Position(NamedTuple):
    """A place between characters: zero-based line, zero-based column in Unicode code points."""

    line: int
    column: int


class Text:
    """Lines of a document, split on `\\n`, `\\r\\n` and `\\r` only; a line keeps its ending.

    There is always at least one line; a text that ends in a line ending has an empty last line.
    """

    @classmethod
    def of(cls, string: str) -> Text:
        raise NotImplementedError

    @property
    def line_count(self) -> int:
        raise NotImplementedError

    def line(self, index: int) -> str:
        """Line `index` with its ending."""
        raise NotImplementedError

    def lines(self, start: int, stop: int) -> list[str]:
        """Lines `start` … `stop - 1` with their endings; out-of-range bounds are clamped."""
        raise NotImplementedError

    def clamp(self, position: Position) -> Position:
        """The nearest valid position; a column past the line's end becomes the end before the line ending."""
        raise NotImplementedError

    def replace(self, start: Position, end: Position, new: str) -> Text:
        """This text with the span from `start` to `end` (clamped) replaced by `new`."""
        raise NotImplementedError

    def slice(self, start: Position, end: Position) -> str:
        """The text from `start` to `end` (clamped)."""
        raise NotImplementedError

    def __str__(self) -> str:
        raise NotImplementedError
