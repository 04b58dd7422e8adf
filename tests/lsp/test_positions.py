"""Positions in every encoding, compared with counting the encoded units of a plain string."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aix_lsp.completion.text import Position, Text
from aix_lsp.lsp.positions import (
    ENCODINGS,
    Encoding,
    column_of,
    from_wire,
    negotiate,
    to_wire,
    units_of,
    without_surrogates,
)

strings = st.text(st.sampled_from("ab é漢😀\u0301\u2028\x0b\f\x85\t\r\n"), max_size=50)
encodings = st.sampled_from(ENCODINGS)


def size(string: str, encoding: Encoding) -> int:
    width = {"utf-8": ("utf-8", 1), "utf-16": ("utf-16-le", 2), "utf-32": ("utf-32-le", 4)}[encoding]
    return len(string.encode(width[0])) // width[1]


@given(strings, encodings)
def test_every_place_survives_the_round_trip(string: str, encoding: Encoding) -> None:
    text = Text.of(string)
    for line in range(text.line_count):
        content = re.sub(r"[\r\n]+\Z", "", text.line(line))
        for column in range(len(content) + 1):
            wire = to_wire(text, Position(line, column), encoding)
            assert wire == (line, size(content[:column], encoding))
            assert from_wire(text, *wire, encoding) == Position(line, column)


@given(strings, st.integers(-1, 9), st.integers(-1, 120), encodings)
def test_any_number_gives_the_last_place_that_it_reaches(
    string: str, line: int, units: int, encoding: Encoding
) -> None:
    text = Text.of(string)
    place = from_wire(text, line, units, encoding)
    assert text.clamp(place) == place
    if 0 <= line < text.line_count:
        content = re.sub(r"[\r\n]+\Z", "", text.line(line))
        reached = [c for c in range(len(content) + 1) if size(content[:c], encoding) <= max(units, 0)]
        assert place == Position(line, reached[-1])
    elif line >= text.line_count:
        assert place == text.end


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_long_lines_are_counted_right(encoding: Encoding) -> None:
    line = "ab漢😀" * 5000 + "\r\n"
    for column in (0, 1, 4095, 4096, 4097, 8192, 19_999, 20_000):
        assert column_of(line, size(line[:column], encoding), encoding) == column
        assert units_of(line, column, encoding) == size(line[:column], encoding)
    assert column_of(line, 10**9, encoding) == 20_000


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        ([], "utf-16"),
        (["utf-8", "utf-16"], "utf-8"),
        (["utf-32", "utf-8"], "utf-32"),
        (["ebcdic", "utf-8"], "utf-8"),
        ([None, 8, {}], "utf-16"),
    ],
)
def test_the_clients_first_known_encoding_is_chosen(offered: list[object], chosen: str) -> None:
    assert negotiate(offered) == chosen


@given(st.text(st.characters() | st.sampled_from("\ud83d\ude00\udfff"), max_size=20), encodings)
def test_lone_surrogates_become_replacements_of_the_same_size(string: str, encoding: Encoding) -> None:
    mended = without_surrogates(string)
    mended.encode("utf-8")
    assert len(mended) == len(string)
    width = {"utf-8": ("utf-8", 1), "utf-16": ("utf-16-le", 2), "utf-32": ("utf-32-le", 4)}[encoding]
    assert size(mended, encoding) == len(string.encode(width[0], "surrogatepass")) // width[1]
