"""Draws part of a buffer with its ghost text in a terminal; redraws in place if possible."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, field
from typing import TextIO

from tests.client.buffer import Buffer

ABOVE, BELOW = 5, 3
"""Lines shown above and below the cursor's."""


@dataclass(frozen=True)
class Style:
    """Escape sequences; all empty if the output is not a terminal."""

    dim: str = ""
    ghost: str = ""
    bold: str = ""
    green: str = ""
    cursor: str = ""
    reset: str = ""

    @classmethod
    def of(cls, out: TextIO) -> Style:
        if not out.isatty() or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
            return cls()
        return cls("\x1b[2m", "\x1b[2;3m", "\x1b[1m", "\x1b[32m", "\x1b[7m", "\x1b[0m")


class Screen:
    """The demo's output: permanent lines, followed by one block that is redrawn until it becomes permanent."""

    def __init__(self, out: TextIO) -> None:
        self.out = out
        self.style = Style.of(out)
        self.live = bool(self.style.reset)
        self.width = min(shutil.get_terminal_size((88, 24)).columns, 100)
        self._height = 0

    def say(self, text: str = "") -> None:
        """Write a permanent line."""
        self._height = 0
        self.out.write(text + "\n")
        self.out.flush()

    def redraw(self, lines: list[str]) -> None:
        """Show a block in place of the last one; without a terminal, nothing is shown until it is permanent."""
        if not self.live:
            return
        up = f"\x1b[{self._height}F" if self._height else ""
        self.out.write(up + "".join(f"{line}\x1b[K\n" for line in lines) + "\x1b[J")
        self.out.flush()
        self._height = len(lines)

    def keep(self, lines: list[str]) -> None:
        """Show a block for the last time; further output goes below it."""
        if self.live:
            self.redraw(lines)
        else:
            self.out.write("".join(f"{line}\n" for line in lines))
            self.out.flush()
        self._height = 0


@dataclass
class View:
    """The visible part of a buffer: the ghost text at the cursor, and what has just been accepted."""

    buffer: Buffer
    title: str
    ghost: str = ""
    accepted: list[tuple[int, int]] = field(default_factory=list)
    """Start and end offsets of accepted text, shown in green; in order, above the cursor."""

    def lines(self, screen: Screen) -> list[str]:
        """The block: a title, and the lines around the cursor with the ghost text inserted."""
        style, text, cursor = screen.style, self.buffer.text, self.buffer.cursor
        rows = text[:cursor].split("\n")
        tail = text[cursor:].split("\n")
        first = max(0, len(rows) - 1 - ABOVE)
        rule = "─" * max(0, screen.width - len(self.title) - 4)
        block = [f"  {style.bold}{self.title}{style.reset} {style.dim}{rule}{style.reset}"]
        offset = sum(len(row) + 1 for row in rows[:first])
        for number, row in enumerate(rows[first:-1], first + 1):
            block.append(self._row(screen, number, self._paint(row, offset, style)))
            offset += len(row) + 1
        current = self._paint(rows[-1], offset, style)
        block += self._cursor_rows(screen, len(rows), current, tail[0])
        for number, row in enumerate(tail[1 : 1 + BELOW], len(rows) + 1):
            block.append(self._row(screen, number, row))
        return block

    def _cursor_rows(self, screen: Screen, number: int, before: str, after: str) -> list[str]:
        style = screen.style
        if not screen.live:
            ghost = f"‹{self.ghost}›" if self.ghost else "|"
            return self._ghost_rows(screen, number, before + ghost + after)
        under = (self.ghost or after or " ")[0]
        under, rest = (" ", self.ghost) if under == "\n" else (under, self.ghost[1:])
        ghost_rows = rest.split("\n")
        painted = "\n".join(f"{style.ghost}{row}{style.reset}" if row else "" for row in ghost_rows)
        right = after if self.ghost else after[1:]
        return self._ghost_rows(screen, number, f"{before}{style.cursor}{under}{style.reset}{painted}{right}")

    def _ghost_rows(self, screen: Screen, number: int, text: str) -> list[str]:
        """The cursor's line, and unnumbered lines for the rest of a suggestion of several lines."""
        head, *more = text.split("\n")
        return [self._row(screen, number, head), *(self._row(screen, None, row) for row in more)]

    def _paint(self, row: str, offset: int, style: Style) -> str:
        for span in reversed(self.accepted):
            start, end = (min(max(edge - offset, 0), len(row)) for edge in span)
            if start < end:
                row = f"{row[:start]}{style.green}{row[start:end]}{style.reset}{row[end:]}"
        return row

    def _row(self, screen: Screen, number: int | None, text: str) -> str:
        style = screen.style
        gutter = f"{number:>5}" if number is not None else " " * 5
        return f"{style.dim}{gutter} │{style.reset} {clip(text, screen.width - 9)}"


def clip(text: str, width: int) -> str:
    """At most `width` visible characters of a text that may contain escape sequences, so that no line wraps."""
    shown, out, index = 0, [], 0
    while index < len(text):
        if text[index] == "\x1b":
            end = text.index("m", index) + 1
            out.append(text[index:end])
            index = end
            continue
        if shown < width:
            out.append(text[index])
        shown += 1
        index += 1
    return "".join(out)
