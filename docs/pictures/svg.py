"""Draws a grid of coloured cells, as a terminal shows them, as SVG. Knows no editor."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from html import escape
from itertools import groupby

WIDTH, HEIGHT, SIZE = 8.43, 18, 14
BACKGROUND, FOREGROUND = "#14161b", "#e0e2ea"
_ANSI = re.compile(r"\x1b\[([0-9;]*)m")
_NAMED = ["#000000", "#cc5555", "#70a970", "#c8a35a", "#6a9fd8", "#b78ad0", "#5fb3b3", "#c8ccd4"]
_BRIGHT = ["#7a7f8a", "#ff7b72", "#8fd18f", "#e8c47a", "#8cb8f0", "#d0a8e8", "#80d0d0", "#ffffff"]


@dataclass(frozen=True)
class Cell:
    """One character and its colours (`#rrggbb`)."""

    text: str = " "
    foreground: str = FOREGROUND
    background: str = BACKGROUND
    bold: bool = False
    italic: bool = False


def draw(rows: Sequence[Sequence[Cell]], canvas: str = BACKGROUND) -> str:
    """The picture of a grid; `canvas` is the background of cells that have none of their own."""
    width, height = len(rows[0]) * WIDTH + 16, len(rows) * HEIGHT + 16
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'font-family="DejaVu Sans Mono, Menlo, Consolas, monospace" font-size="{SIZE}">',
        f'<rect width="100%" height="100%" rx="6" fill="{canvas}"/>',
    ]
    for index, row in enumerate(rows):
        parts += _row(row, 8 + index * HEIGHT)
    return "\n".join([*parts, "</svg>", ""])


def _row(row: Sequence[Cell], top: int) -> list[str]:
    parts, column = [], 0
    for style, group in groupby(row, key=lambda cell: replace(cell, text="")):
        text = "".join(cell.text for cell in group)
        x, width = 8 + column * WIDTH, len(text) * WIDTH
        column += len(text)
        if style.background != BACKGROUND:
            parts.append(
                f'<rect x="{x:.1f}" y="{top}" width="{width:.1f}" height="{HEIGHT}"'
                f' fill="{style.background}"/>'
            )
        if text.strip():
            face = ' font-weight="bold"' * style.bold + ' font-style="italic"' * style.italic
            parts.append(
                f'<text x="{x:.1f}" y="{top + 13}" fill="{style.foreground}" textLength="{width:.1f}" '
                f'xml:space="preserve"{face}>{escape(text)}</text>'
            )
    return parts


def cells_of_ansi(screen: str, columns: int) -> list[list[Cell]]:
    """The cells of a text with ANSI colours, as tmux captures it."""
    style, rows = Cell(), []
    for line in screen.rstrip("\n").split("\n"):
        row: list[Cell] = []
        for index, part in enumerate(_ANSI.split(line)):
            if index % 2:
                style = _styled(style, [int(code or 0) for code in part.split(";")])
            else:
                row += [replace(style, text=char) for char in part]
        rows.append((row + [Cell()] * columns)[:columns])
    return rows


def _styled(style: Cell, codes: list[int]) -> Cell:
    """SGR (ECMA-48, 8.3.117), as far as editors use it."""
    while codes:
        code = codes.pop(0)
        if code in (38, 48):
            colour = _extended(codes)
            style = replace(style, foreground=colour) if code == 38 else replace(style, background=colour)
        elif code == 0:
            style = Cell()
        elif code in (1, 22):
            style = replace(style, bold=code == 1)
        elif code in (3, 23):
            style = replace(style, italic=code == 3)
        elif code == 7:
            style = replace(style, foreground=style.background, background=style.foreground)
        elif code == 27:
            style = replace(style, foreground=FOREGROUND, background=BACKGROUND)
        elif 30 <= code <= 37 or 90 <= code <= 97:
            style = replace(style, foreground=(_NAMED[code - 30] if code < 90 else _BRIGHT[code - 90]))
        elif 40 <= code <= 47:
            style = replace(style, background=_NAMED[code - 40])
        elif code == 39:
            style = replace(style, foreground=FOREGROUND)
        elif code == 49:
            style = replace(style, background=BACKGROUND)
    return style


def _extended(codes: list[int]) -> str:
    """The colour that `2;r;g;b` or `5;n` name."""
    if codes.pop(0) == 2:
        red, green, blue = codes.pop(0), codes.pop(0), codes.pop(0)
        return f"#{red:02x}{green:02x}{blue:02x}"
    number = codes.pop(0)
    if number < 16:
        return (_NAMED + _BRIGHT)[number]
    if number >= 232:
        return "#" + f"{8 + 10 * (number - 232):02x}" * 3
    levels = [0, 95, 135, 175, 215, 255]
    number -= 16
    return f"#{levels[number // 36]:02x}{levels[number // 6 % 6]:02x}{levels[number % 6]:02x}"
