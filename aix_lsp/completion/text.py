"""Documents as immutable values: a text that is cheap to edit, positions in code points, edits, snapshots.

Also follows spans of a text through edits.
"""

from __future__ import annotations

import io
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain
from typing import NamedTuple

from aix_lsp.fim.reading import normalise

_BLOCK_LINES = 512
"""An edit copies one block and the list of blocks; at this size both stay small up to millions of lines."""

_Block = tuple[str, ...]


class Position(NamedTuple):
    """A place between characters: zero-based line, zero-based column in Unicode code points."""

    line: int
    column: int


class Text:
    """Lines of a document, split on `\\n`, `\\r\\n` and `\\r` only; a line keeps its ending.

    There is always at least one line; a text that ends in a line ending has an empty last line.
    """

    __slots__ = ("_blocks", "_count", "_starts")

    def __init__(self, blocks: list[_Block], starts: list[int], count: int) -> None:
        """For use in this class only; callers use `Text.of`. `starts[i]` is the line number of `blocks[i][0]`."""
        self._blocks = blocks
        self._starts = starts
        self._count = count

    @classmethod
    def of(cls, string: str) -> Text:
        """The text of a string."""
        return cls._from_blocks(_pack(_split(string)))

    @classmethod
    def _from_blocks(cls, blocks: list[_Block]) -> Text:
        starts = list(accumulate(map(len, blocks), initial=0))
        return cls(blocks, starts, starts.pop())

    @property
    def blocks(self) -> Sequence[tuple[str, ...]]:
        """The lines in order, in blocks; versions with the same lines share them."""
        return self._blocks

    def with_blocks(self, blocks: Sequence[tuple[str, ...]]) -> Text:
        """This text with other blocks, each with as many lines as the one it replaces."""
        return Text(list(blocks), self._starts, self._count)

    @property
    def line_count(self) -> int:
        """Number of lines, at least 1."""
        return self._count

    @property
    def end(self) -> Position:
        """The place after the last character."""
        last = self._count - 1
        return Position(last, len(self.line(last)))

    def line(self, index: int) -> str:
        """Line `index` with its ending."""
        if not 0 <= index < self._count:
            raise IndexError(f"line {index} of a text with {self._count} lines")
        block = bisect_right(self._starts, index) - 1
        return self._blocks[block][index - self._starts[block]]

    def lines(self, start: int, stop: int) -> list[str]:
        """Lines `start` … `stop - 1` with their endings; out-of-range bounds are clamped."""
        start, stop = max(start, 0), min(stop, self._count)
        if start >= stop:
            return []
        first = bisect_right(self._starts, start) - 1
        last = bisect_right(self._starts, stop - 1) - 1
        offset = self._starts[first]
        return list(chain.from_iterable(self._blocks[first : last + 1]))[start - offset : stop - offset]

    def clamp(self, position: Position) -> Position:
        """The nearest valid position; a column past the line's end becomes the end before the line ending."""
        line, column = position
        if line < 0:
            return Position(0, 0)
        if line >= self._count:
            return self.end
        return Position(line, min(max(column, 0), content_length(self.line(line))))

    def replace(self, start: Position, end: Position, new: str) -> Text:
        """This text with the span from `start` to `end` (clamped) replaced by `new`."""
        start, end = self._span(start, end)
        first = start.line
        changed = "".join((self.line(first)[: start.column], new, self.line(end.line)[end.column :]))
        if first and changed.startswith("\n") and self.line(first - 1).endswith("\r"):
            first -= 1  # a lone \r and the new \n become one line ending
            changed = self.line(first) + changed
        elif first == end.line and "\n" not in new and "\r" not in new:
            return self._with_lines(first, first + 1, [changed])  # typing: no search for line endings
        lines = _split(changed)
        if end.line + 1 < self._count:
            lines.pop()  # only the text's own end has an empty line after its last line ending
        return self._with_lines(first, end.line + 1, lines)

    def slice(self, start: Position, end: Position) -> str:
        """The text from `start` to `end` (clamped)."""
        start, end = self._span(start, end)
        if start.line == end.line:
            return self.line(start.line)[start.column : end.column]
        lines = self.lines(start.line, end.line + 1)
        lines[0] = lines[0][start.column :]
        lines[-1] = lines[-1][: end.column]
        return "".join(lines)

    def __str__(self) -> str:
        return "".join(chain.from_iterable(self._blocks))

    def _span(self, start: Position, end: Position) -> tuple[Position, Position]:
        start, end = self.clamp(start), self.clamp(end)
        return (start, end) if start <= end else (end, start)

    def _with_lines(self, start: int, stop: int, new: list[str]) -> Text:
        """Lines `start` … `stop - 1` (at least one) replaced by `new` lines."""
        starts, blocks = self._starts, self._blocks
        first = bisect_right(starts, start) - 1
        last = bisect_right(starts, stop - 1) - 1
        head = blocks[first][: start - starts[first]]
        tail = blocks[last][stop - starts[last] :]
        if len(head) + len(new) + len(tail) < _BLOCK_LINES // 4 and len(blocks) > last + 1:
            last += 1  # keep blocks from becoming many and tiny under deletions
            tail += blocks[last]
        packed = _pack([*head, *new, *tail])
        replaced = blocks.copy()
        replaced[first : last + 1] = packed
        delta = len(new) - (stop - start)
        if delta == 0 and len(packed) == last + 1 - first == 1:
            return Text(replaced, starts, self._count)
        shifted = starts.copy()
        if delta:
            shifted[last + 1 :] = [line + delta for line in starts[last + 1 :]]
        shifted[first : last + 1] = accumulate(map(len, packed[:-1]), initial=starts[first])
        return Text(replaced, shifted, self._count + delta)


def content_length(line: str) -> int:
    """Length of a line without its ending, in code points."""
    if line.endswith("\r\n"):
        return len(line) - 2
    return len(line) - (line[-1:] in ("\n", "\r"))


def _split(string: str) -> list[str]:
    """The lines with their endings; an empty one is added if the string is empty or ends in a line ending.

    StringIO in this mode splits on exactly the three endings that LSP names, in C.
    """
    lines = io.StringIO(string, newline="").readlines()
    if not lines or lines[-1][-1] in "\r\n":
        lines.append("")
    return lines


def _pack(lines: Sequence[str]) -> list[_Block]:
    """The lines cut into blocks; a block may have up to twice the usual size, so that typing rarely splits one."""
    if len(lines) <= 2 * _BLOCK_LINES:
        return [tuple(lines)] if lines else []
    return [tuple(lines[i : i + _BLOCK_LINES]) for i in range(0, len(lines), _BLOCK_LINES)]


@dataclass(frozen=True, slots=True)
class Edit:
    """One change to a document: the text from `start` to `end` (before the change) became `text`."""

    start: Position
    end: Position
    text: str


@dataclass(frozen=True, slots=True)
class DocumentSnapshot:
    """A document at one version. Safe to keep: nothing changes it."""

    uri: str
    version: int
    language: str
    """The LSP language id, such as "python"; empty if unknown."""
    path: str
    """The path to show the model, relative to its workspace folder if there is one; empty if untitled."""
    text: Text


@dataclass(frozen=True, slots=True)
class Change:
    """A document before and after some edits, each of which applies to the text after the previous one."""

    before: DocumentSnapshot
    after: DocumentSnapshot
    edits: tuple[Edit, ...]


OpenDocument = Callable[[str], DocumentSnapshot | None]
"""Returns the newest snapshot of an open document by its URI; None for any other."""


@dataclass(frozen=True, slots=True)
class Span:
    """The text typed at one place: it begins where the cursor was and ends where the old suffix begins."""

    start: Position
    end: Position


def after(position: Position, inserted: str) -> Position:
    """The position after `inserted`, inserted at `position`."""
    *above, last = normalise(inserted).split("\n")
    return Position(position.line + len(above), len(last) + (0 if above else position.column))


def typed_in(span: Span, text: Text) -> str:
    """The text in the span, with "\\n" endings."""
    return normalise(text.slice(span.start, span.end))


def follow(span: Span, before: Text, edits: Iterable[Edit]) -> Span | None:
    """The span after `edits`, applied in order; None if an edit crossed one of its ends."""
    for edit in edits:
        moved = _moved(span, shrink(edit, before))
        if moved is None:
            return None
        span, before = moved, before.replace(edit.start, edit.end, edit.text)
    return span


def shrink(edit: Edit, text: Text) -> Edit:
    """`edit` with "\\n" endings, without what it leaves unchanged: a client may replace a word to add a character."""
    edit = _with_joined_endings(edit, text)
    whole = normalise(text.slice(edit.start, edit.end))
    head = common(whole, edit.text)
    old, new = whole[head:], edit.text[head:]
    tail = common(old[::-1], new[::-1])
    start = after(edit.start, whole[:head])
    return Edit(start, after(start, old[: len(old) - tail]), new[: len(new) - tail])


def _with_joined_endings(edit: Edit, text: Text) -> Edit:
    """`edit` with the "\\r" before it and the "\\n" behind it that become one line ending with what is in between."""
    start, end, new = text.clamp(edit.start), text.clamp(edit.end), edit.text
    behind = "\n" if text.line(end.line)[end.column :] == "\n" else ""
    above = text.line(start.line - 1) if start.line and not start.column else ""
    if above.endswith("\r") and (new or behind).startswith("\n"):
        start, new = Position(start.line - 1, len(above) - 1), "\r" + new
    if behind and new.endswith("\r"):
        end, new = Position(end.line + 1, 0), new + behind
    return Edit(start, end, normalise(new))


def _moved(span: Span, edit: Edit) -> Span | None:
    if edit.start == edit.end and not edit.text:
        return span
    if edit.start > span.end or (edit.start == span.end and not edit.text):
        return span
    if edit.start == span.end:  # typed, or an accepted text that replaced closers right of the cursor
        return Span(span.start, after(edit.start, edit.text))
    if edit.end <= span.start and edit.start < span.start:
        return Span(_shifted(span.start, edit), _shifted(span.end, edit))
    if edit.start >= span.start and edit.end <= span.end:
        return Span(span.start, _shifted(span.end, edit))
    return None


def _shifted(position: Position, edit: Edit) -> Position:
    """Where a position at or after the edit's end has moved to."""
    end = after(edit.start, edit.text)
    if position.line > edit.end.line:
        return Position(position.line + end.line - edit.end.line, position.column)
    return Position(end.line, end.column + position.column - edit.end.column)


def common(one: Sequence[str], other: Sequence[str]) -> int:
    """The length of the common prefix of two strings or lists, by bisection: comparing slices is far faster than
    comparing items."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
