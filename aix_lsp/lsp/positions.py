"""Converts LSP positions to code points and back, in the three encodings. Pure: uses no LSP types."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from aix_lsp.completion.text import Position, Text, content_length

Encoding = Literal["utf-8", "utf-16", "utf-32"]
ENCODINGS: tuple[Encoding, ...] = ("utf-8", "utf-16", "utf-32")
DEFAULT_ENCODING: Encoding = "utf-16"

_PIECE = 4096
"""Long lines are counted in pieces: encoding is several times faster than decoding a megabyte."""


def negotiate(offered: Iterable[object]) -> Encoding:
    """The first of the client's encodings that we support, or the specification's default."""
    for name in offered:
        for known in ENCODINGS:
            if name == known:
                return known
    return DEFAULT_ENCODING


def column_of(line: str, units: int, encoding: Encoding) -> int:
    """The column, in code points, of `units` code units into `line`.

    Clamped to the line without its ending; a position inside a character becomes that character's start.
    """
    if units <= 0:
        return 0
    limit = content_length(line)
    if encoding == "utf-32" or line.isascii():
        return min(units, limit)
    column = 0
    while column < limit:
        piece = line[column : min(column + _PIECE, limit)]
        taken = units_of(piece, len(piece), encoding)
        if taken > units:
            return column + _column_in_piece(piece, units, encoding)
        column, units = column + len(piece), units - taken
    return limit


def _column_in_piece(piece: str, units: int, encoding: Encoding) -> int:
    """`column_of` for a short piece: cuts the encoded bytes and drops a character that was cut in two."""
    if encoding == "utf-8":
        return len(piece.encode("utf-8")[:units].decode("utf-8", "ignore"))
    return len(piece.encode("utf-16-le")[: 2 * units].decode("utf-16-le", "ignore"))


def units_of(line: str, column: int, encoding: Encoding) -> int:
    """How many code units the first `column` code points of `line` take."""
    if encoding == "utf-32" or line.isascii():
        return column
    if encoding == "utf-8":
        return len(line[:column].encode("utf-8"))
    return len(line[:column].encode("utf-16-le")) // 2


def characters_in(string: str, units: int, encoding: Encoding) -> int:
    """How many whole characters of `string`, which may have several lines, fit into `units` code units."""
    if encoding == "utf-32":
        return max(0, min(units, len(string)))
    return _column_in_piece(string, max(0, units), encoding)


def from_wire(text: Text, line: int, units: int, encoding: Encoding) -> Position:
    """A client's position, clamped to the text; one past the last line becomes the text's end."""
    if line < 0:
        return Position(0, 0)
    if line >= text.line_count:
        return text.end
    return Position(line, column_of(text.line(line), units, encoding))


def to_wire(text: Text, position: Position, encoding: Encoding) -> tuple[int, int]:
    """A position as the client's line and code units."""
    line, column = text.clamp(position)
    return line, units_of(text.line(line), column, encoding)


def without_surrogates(string: str) -> str:
    """The string with each lone surrogate replaced by U+FFFD, which takes as many units in every encoding.

    Half an emoji cannot be encoded, so nothing behind the document store could handle it.
    """
    try:
        string.encode("utf-8")
    except UnicodeEncodeError:
        return "".join("\ufffd" if "\ud800" <= c <= "\udfff" else c for c in string)
    return string
