"""Draws what is typed into a file: lines, ends of lines, middles, rewrites, the end of the file. Pure; uses a seed."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.scripts import Piece, Script
from tests.client.buffer import Buffer
from tests.client.typist import Typist

MOST_KEYS = 140
"""Characters per piece."""
_FEWEST = 6
_APART = 120
"""Characters between two pieces, so that no piece is another's only context."""


@dataclass(frozen=True)
class Plan:
    """A script, and the indentation of its file."""

    script: Script
    language: str
    indent: str

    def buffer(self, uri: str = "") -> Buffer:
        """The file before anything is typed."""
        buffer = Buffer(uri, self.script.beginning(), self.language)
        buffer.indent = self.indent
        return buffer


def plan(name: str, text: str, language: str, seed: int, names: Sequence[str] = ()) -> Plan | None:
    """The pieces for one file; with `names`, on lines that use one of them. None if nothing can be typed.

    Two blocks of lines, the rest of a line, a middle, and a rewritten end of a line or the file's last lines; kinds
    that do not fit the file are left out.
    """
    draw = random.Random(f"{seed}:{name}")
    lines = _Lines(text)
    indent = indent_of(text)
    pieces: list[Piece] = []
    last = draw.choice((_rewrite, _ending))
    for kind in (_block, _block, _tail, _middle, _rewrite if names else last):
        for _ in range(60):
            piece = kind(lines, draw)
            if (
                piece
                and _apart(piece, pieces)
                and _wanted(text, piece, names)
                and _typable(text, piece, indent)
            ):
                pieces.append(piece)
                break
    draw.shuffle(pieces)
    found = Plan(Script(name, text, tuple(pieces)), language, indent)
    return found if pieces and _restores(found) else None


def indent_of(text: str) -> str:
    """The file's unit of indentation."""
    depths = [match[0] for match in re.finditer(r"^[ \t]+(?=[^\s*])", text, re.MULTILINE)]
    if sum(depth.startswith("\t") for depth in depths) * 2 > len(depths):
        return "\t"
    even = [len(depth) for depth in depths if not len(depth) % 2]
    return "  " if sum(depth % 4 == 2 for depth in even) * 5 > len(even) else "    "


class _Lines:
    """The offsets of lines."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.starts = [0, *(match.end() for match in re.finditer("\n", text))]
        if self.starts[-1] == len(text):
            self.starts.pop()

    def __len__(self) -> int:
        return len(self.starts)

    def end(self, line: int) -> int:
        """The end of a line's text."""
        end = self.text.find("\n", self.starts[line])
        return len(self.text) if end < 0 else end

    def body(self, line: int) -> int:
        """The start of a line's text, after its indentation."""
        text = self.text[self.starts[line] : self.end(line)]
        return self.starts[line] + len(text) - len(text.lstrip())


_Kind = Callable[[_Lines, random.Random], Piece | None]


def _block(lines: _Lines, draw: random.Random) -> Piece | None:
    """A few whole lines, from the end of the line above."""
    first = draw.randrange(1, max(2, len(lines) - 2))
    last = min(first + draw.randint(0, 3), len(lines) - 1)
    return Piece(lines.end(first - 1), lines.end(last)) if first < len(lines) else None


def _tail(lines: _Lines, draw: random.Random) -> Piece | None:
    """The rest of a line, from a random place in it."""
    line = draw.randrange(len(lines))
    body, end = lines.body(line), lines.end(line)
    return Piece(draw.randint(body, end), end) if body < end else None


def _middle(lines: _Lines, draw: random.Random) -> Piece | None:
    """Something inside a line, between words, with text to the right of it."""
    line = draw.randrange(len(lines))
    body, end = lines.body(line), lines.end(line)
    places = [m.start() + body for m in re.finditer(r"(?<=[\s(\[,=.])\w|(?<=\w)\W", lines.text[body:end])]
    if len(places) < 3:
        return None
    first, last = sorted(draw.sample(places, 2))
    return Piece(first, last)


def _rewrite(lines: _Lines, draw: random.Random) -> Piece | None:
    """The rest of a line; the rest of another line is in its place, and is deleted first."""
    piece, other = _tail(lines, draw), _tail(lines, draw)
    if piece is None or other is None:
        return None
    old = lines.text[other.start : other.end]
    return Piece(piece.start, piece.end, old) if old.strip() else None


def _ending(lines: _Lines, draw: random.Random) -> Piece | None:
    """The last lines of the file, with nothing below."""
    first = max(1, len(lines) - draw.randint(1, 4))
    return Piece(lines.end(first - 1), lines.end(len(lines) - 1)) if first < len(lines) else None


def _apart(piece: Piece, others: Sequence[Piece]) -> bool:
    return all(piece.end + _APART < other.start or other.end + _APART < piece.start for other in others)


def _wanted(text: str, piece: Piece, names: Sequence[str]) -> bool:
    goal = text[piece.start : piece.end]
    fits = len(goal.strip()) >= _FEWEST and len(goal) <= MOST_KEYS
    return fits and (not names or any(re.search(rf"\b{re.escape(name)}\b", goal) for name in names))


def _typable(text: str, piece: Piece, indent: str) -> bool:
    """Whether a typist with auto-closed brackets reproduces the piece exactly."""
    buffer = Buffer("", text[: piece.start] + text[piece.end :], "")
    buffer.indent = indent
    buffer.move(piece.start)
    return types_back(buffer, text[piece.start : piece.end], text)


def types_back(buffer: Buffer, rest: str, wanted: str) -> bool:
    """Whether typing `rest` at the buffer's cursor results in `wanted`. Changes the buffer."""
    typist = Typist(buffer, rest)
    while typist.remaining:
        typist.step()
    return buffer.text == wanted


def _restores(found: Plan) -> bool:
    buffer = found.buffer()
    script = found.script
    for index, piece in enumerate(script.pieces):
        buffer.move(script.place(index))
        buffer.replace(buffer.cursor, buffer.cursor + len(piece.old), "")
        if not types_back(buffer, script.finished[piece.start : piece.end], script.after(index)):
            return False
    return buffer.text == script.finished
