"""`Text` compared with a plain string: after any edits, lines and positions are those of the string."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aix_lsp.completion.text import Position, Text, content_length

ALPHABET = "ab é漢😀\u0301\u2028\x0b\f\x1c\x85\t\r\n"
strings = st.text(st.sampled_from(ALPHABET), max_size=60) | st.text(max_size=30)
positions = st.builds(Position, st.integers(-2, 12), st.integers(-2, 20))


def lines_of(string: str) -> list[str]:
    """The model: lines as the LSP specification defines them."""
    return [*re.findall(r"[^\r\n]*(?:\r\n|\r|\n)", string), re.split(r"\r\n|\r|\n", string)[-1]]


def offset_of(string: str, position: Position) -> int:
    """The model: clamped offset of a position in a string."""
    lines = lines_of(string)
    if position.line < 0:
        return 0
    if position.line >= len(lines):
        return len(string)
    content = re.sub(r"(\r\n|\r|\n)\Z", "", lines[position.line])
    return sum(map(len, lines[: position.line])) + min(max(position.column, 0), len(content))


@pytest.mark.parametrize(
    ("string", "lines"),
    [
        ("", [""]),
        ("a", ["a"]),
        ("a\n", ["a\n", ""]),
        ("a\r\nb\rc\nd", ["a\r\n", "b\r", "c\n", "d"]),
        ("\r\r\n\n", ["\r", "\r\n", "\n", ""]),
        ("a\u2028b\fc\x0bd\x85e\x1cf", ["a\u2028b\fc\x0bd\x85e\x1cf"]),
    ],
)
def test_lines(string: str, lines: list[str]) -> None:
    text = Text.of(string)
    assert text.line_count == len(lines)
    assert [text.line(i) for i in range(text.line_count)] == lines
    assert str(text) == string


def test_a_missing_line_is_an_index_error() -> None:
    for index in (-1, 2):
        with pytest.raises(IndexError):
            Text.of("a\nb").line(index)


@given(strings, positions)
def test_clamp(string: str, position: Position) -> None:
    text = Text.of(string)
    clamped = text.clamp(position)
    assert text.clamp(clamped) == clamped
    lines = lines_of(string)
    assert sum(map(len, lines[: clamped.line])) + clamped.column == offset_of(string, position)
    assert clamped.column <= content_length(text.line(clamped.line))
    end = offset_of(string, text.end)
    assert end == len(string)


@given(strings, positions, positions)
def test_slice(string: str, one: Position, other: Position) -> None:
    start, end = sorted((offset_of(string, one), offset_of(string, other)))
    assert Text.of(string).slice(one, other) == string[start:end]


@given(strings, st.lists(st.tuples(positions, positions, strings), max_size=12))
def test_edits_follow_the_string(string: str, edits: list[tuple[Position, Position, str]]) -> None:
    text = Text.of(string)
    versions = [(text, string)]
    for one, other, new in edits:
        start, end = sorted((offset_of(string, one), offset_of(string, other)))
        string = string[:start] + new + string[end:]
        text = text.replace(one, other, new)
        versions.append((text, string))
    for kept, model in versions:
        assert kept.lines(0, kept.line_count) == lines_of(model)


@given(
    st.lists(
        st.tuples(
            st.integers(0, 5000),
            st.integers(0, 3000),
            st.sampled_from(["", "x", "\n", "a\r\nb\n", "line\n" * 700]),
        ),
        max_size=8,
    )
)
def test_edits_over_many_blocks(edits: list[tuple[int, int, str]]) -> None:
    string = "".join(f"{i} some text\n" for i in range(4000))
    text = Text.of(string)
    for line, span, new in edits:
        one, other = Position(line, 2), Position(line + span, 1)
        start, end = sorted((offset_of(string, one), offset_of(string, other)))
        string = string[:start] + new + string[end:]
        text = text.replace(one, other, new)
        lines = lines_of(string)
        assert text.line_count == len(lines)
        for index in {0, line % len(lines), len(lines) // 2, len(lines) - 1}:
            assert text.line(index) == lines[index]
        assert text.lines(line - 3, line + 600) == lines[max(line - 3, 0) : max(line + 600, 0)]
    assert str(text) == string


def test_an_edit_shares_the_untouched_blocks() -> None:
    before = Text.of("some line\n" * 100_000)
    after = before.replace(Position(50_000, 4), Position(50_000, 4), "!")
    shared = {id(block) for block in before._blocks} & {id(block) for block in after._blocks}
    assert len(shared) == len(before._blocks) - 1


def test_deleting_most_lines_leaves_few_blocks() -> None:
    text = Text.of("some line\n" * 20_000)
    for line in range(400):
        text = text.replace(Position(line, 0), Position(line + 49, 0), "")
    assert text.line_count == 20_001 - 400 * 49
    assert len(text._blocks) <= 4
