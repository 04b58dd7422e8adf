"""Reads parts of a text as strings with "\\n" endings, without unnecessary joining or copying."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

LineColumn = tuple[int, int]
"""Line and column, in code points."""


class Lines(Protocol):
    """A text as lines, which keep their endings."""

    @property
    def line_count(self) -> int: ...

    def line(self, index: int) -> str: ...

    def lines(self, start: int, stop: int) -> list[str]: ...


def normalise(string: str) -> str:
    """`string` with all line endings as "\\n", which models were trained on."""
    if "\r" not in string:
        return string
    return string.replace("\r\n", "\n").replace("\r", "\n")


def distance(text: Lines, start: LineColumn, end: LineColumn) -> int:
    """Characters between two places, with the document's own line endings."""
    if start[0] == end[0]:
        return end[1] - start[1]
    return sum(map(len, text.lines(start[0], end[0]))) - start[1] + end[1]


def between(text: Lines, start: LineColumn, end: LineColumn) -> str:
    """The text from `start` to `end`."""
    if start[0] == end[0]:
        return normalise(text.line(start[0])[start[1] : end[1]])
    lines = text.lines(start[0], end[0])
    lines[0] = lines[0][start[1] :]
    return normalise("".join(lines) + text.line(end[0])[: end[1]])


def read(text: Lines, start: LineColumn, stop: int, limit: int) -> str:
    """At most `limit` characters from `start` up to the end of line `stop - 1`."""
    parts: list[str] = []
    size = 0
    for part in _pieces(text, start, stop, 2 * limit + 2):
        # A CRLF pair becomes one character, so twice the limit before that is enough of any line.
        parts.append(normalise(part))
        size += len(parts[-1])
        if size >= limit:
            break
    return "".join(parts)[:limit]


def read_back(text: Lines, end: LineColumn, limit: int) -> str:
    """At most `limit` characters before `end`."""
    if limit <= 0:
        return ""
    line, column = end
    parts = [normalise(text.line(line)[max(0, column - limit) : column])]
    size = len(parts[0])
    while line > 0 and size < limit:
        line -= 1
        parts.append(normalise(text.line(line)[-2 * limit - 2 :]))
        size += len(parts[-1])
    return "".join(reversed(parts))[-limit:]


def _pieces(text: Lines, start: LineColumn, stop: int, longest: int) -> Iterator[str]:
    """The lines from `start` on, cut short: a line of many megabytes must not be copied for a few characters."""
    yield text.line(start[0])[start[1] : start[1] + longest]
    for index in range(start[0] + 1, min(stop, text.line_count)):
        yield text.line(index)[:longest]
