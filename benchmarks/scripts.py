"""Typing to be replayed: real files with pieces taken out, and the keys that put them back. Knows no server."""

from __future__ import annotations

import random
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.client.buffer import Buffer
from tests.client.typist import Typist

SMALLEST, LARGEST = 4096, 12288
"""Bytes of a file to be replayed."""

_MOST_KEYS = 160
"""Keys per piece; nobody types a longer stretch without looking elsewhere."""


@dataclass(frozen=True)
class Piece:
    """A stretch of the finished file to be typed, as offsets in the finished text."""

    start: int
    end: int
    old: str = ""
    """The text there before, which is deleted first."""

    @property
    def growth(self) -> int:
        """How much longer the file becomes when the piece is typed."""
        return self.end - self.start - len(self.old)


@dataclass(frozen=True)
class Script:
    """A file and the pieces typed into it, in the order of typing (with a jump of the cursor before each)."""

    name: str
    finished: str
    pieces: tuple[Piece, ...]

    def beginning(self) -> str:
        """The file before anything is typed."""
        text = self.finished
        for piece in sorted(self.pieces, key=lambda piece: piece.start, reverse=True):
            text = text[: piece.start] + piece.old + text[piece.end :]
        return text

    def place(self, index: int) -> int:
        """The offset of piece `index` in the text with all earlier pieces typed."""
        piece = self.pieces[index]
        return piece.start - sum(later.growth for later in self.pieces[index:] if later.start < piece.start)

    def after(self, index: int) -> str:
        """The text once piece `index` and all earlier ones are typed."""
        return Script(self.name, self.finished, self.pieces[index + 1 :]).beginning()

    def typists(self, buffer: Buffer) -> Iterator[Typist]:
        """A typist for each piece, with the cursor at its place."""
        for index, piece in enumerate(self.pieces):
            buffer.move(self.place(index))
            yield Typist(buffer, self.finished[piece.start : piece.end])


@dataclass(frozen=True)
class Moment:
    """A document right after a key."""

    path: str
    text: str
    cursor: int
    key: str


def scripts(keys: int, seed: int = 1, folder: Path | None = None) -> list[Script]:
    """Scripts with at least `keys` keys in all, from Python files in `folder` (default: the standard library)."""
    chosen: list[Script] = []
    draw = random.Random(seed)
    files = _files(folder or Path(sysconfig.get_paths()["stdlib"]))
    draw.shuffle(files)
    for file in files:
        if sum(count_keys(script) for script in chosen) >= keys:
            return chosen
        script = _script(file, draw)
        if script.pieces:
            chosen.append(script)
    raise ValueError(f"not enough Python files of {SMALLEST}–{LARGEST} bytes for {keys} keys")


def count_keys(script: Script) -> int:
    buffer = Buffer("", script.beginning(), "python")
    return sum(1 for typist in script.typists(buffer) for _ in steps(typist))


def steps(typist: Typist) -> Iterator[str]:
    """Press one key after another."""
    while typist.remaining:
        yield typist.step()[0]


def _files(folder: Path) -> list[Path]:
    files = (path for path in folder.glob("*/*.py") if "test" not in str(path.relative_to(folder)))
    fitting = [path for path in files if SMALLEST <= path.stat().st_size <= LARGEST]
    return sorted(path for path in fitting if "site-packages" not in path.parts)


def _script(file: Path, draw: random.Random, blocks: int = 2, tails: int = 2) -> Script:
    """A few blocks of lines and ends of lines that do not overlap, all of which a typist reproduces exactly."""
    text = file.read_text(encoding="utf-8", errors="replace").replace("\r\n", "\n")
    starts = [0, *(index + 1 for index, char in enumerate(text) if char == "\n")]
    pieces: list[Piece] = []
    for _ in range(200):
        if len(pieces) == blocks + tails:
            break
        piece = _block(starts, draw) if len(pieces) < blocks else _tail(text, starts, draw)
        apart = all(piece.end + 200 < other.start or other.end + 200 < piece.start for other in pieces)
        if apart and _typable(text, piece):
            pieces.append(piece)
    draw.shuffle(pieces)
    script = Script(file.name, text, tuple(pieces))
    return script if _restores(script) else Script(file.name, text, ())


def _block(starts: list[int], draw: random.Random) -> Piece:
    """A few whole lines, from the end of the line above to the end of the last."""
    first = draw.randrange(5, max(6, len(starts) - 8))
    last = min(first + draw.randint(1, 4), len(starts) - 1)
    return Piece(starts[first] - 1, starts[last] - 1)


def _tail(text: str, starts: list[int], draw: random.Random) -> Piece:
    """The rest of a line from a random place, in mid-word as often as not."""
    line = draw.randrange(5, max(6, len(starts) - 2))
    end = starts[line + 1] - 1 if line + 1 < len(starts) else len(text)
    body = starts[line] + len(text[starts[line] : end]) - len(text[starts[line] : end].lstrip())
    return Piece(draw.randint(body, max(body, end - 8)), end)


def _typable(text: str, piece: Piece) -> bool:
    """Whether a typist with auto-closed brackets reproduces the piece, and it is worth typing."""
    goal = text[piece.start : piece.end]
    if len(goal.strip()) < 8 or len(goal) > _MOST_KEYS or "\t" in goal:
        return False
    buffer = Buffer("", text[: piece.start] + text[piece.end :], "python")
    buffer.move(piece.start)
    for _ in steps(Typist(buffer, goal)):
        pass
    return buffer.text == text


def _restores(script: Script) -> bool:
    buffer = Buffer("", script.beginning(), "python")
    for typist in script.typists(buffer):
        for _ in steps(typist):
            pass
    return buffer.text == script.finished
