"""Windows: typing only appends, edges move in steps, and nothing is sent that is not in the document."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import aix_lsp
from aix_lsp.completion.text import Position, Text
from aix_lsp.fim.reading import normalise
from aix_lsp.fim.window import Window, WindowLimits, next_window

SOURCES = [
    path for path in sorted(Path(aix_lsp.__file__).parent.rglob("*.py")) if path.stat().st_size > 2000
][:15]
SMALL = WindowLimits(prefix_lines=64, suffix_lines=32, prefix_chars=3000, suffix_chars=1000)


def after(text: Text, cursor: Position, inserted: str) -> Position:
    lines = normalise(inserted).split("\n")
    if len(lines) == 1:
        return Position(cursor.line, cursor.column + len(inserted))
    return Position(cursor.line + len(lines) - 1, len(lines[-1]))


def type_through(source: str, start: int, typed: str, rest: str, limits: WindowLimits) -> list[Window]:
    """The windows while `typed` is typed character by character between source[:start] and `rest`."""
    text = Text.of(source[:start] + rest)
    head = Text.of(source[:start])
    cursor = Position(head.line_count - 1, len(head.line(head.line_count - 1)))
    windows = [next_window(None, text, cursor, limits)]
    for char in typed:
        text = text.replace(cursor, cursor, char)
        cursor = after(text, cursor, char)
        windows.append(next_window(windows[-1], text, cursor, limits))
    return windows


def appended_only(old: Window, new: Window, char: str) -> bool:
    whole_old, whole_new = old.prefix + old.middle, new.prefix + new.middle
    return new.suffix == old.suffix and whole_new == whole_old + char


@pytest.mark.parametrize("limits", [WindowLimits(), SMALL], ids=["default", "small"])
def test_typing_changes_only_the_tail_in_97_percent_of_keystrokes(limits: WindowLimits) -> None:
    generator = random.Random(7)
    kept = kept_anchor = total = 0
    for path in SOURCES:
        source = path.read_text()
        start = generator.randrange(len(source) // 2)
        size = min(1500, len(source) - start)
        typed = source[start : start + size]
        windows = type_through(source, start, typed, source[start + size :], limits)
        for old, new, char in zip(windows[:-1], windows[1:], typed, strict=True):
            total += 1
            kept += appended_only(old, new, char)
            kept_anchor += appended_only(old, new, char) and old.prefix == new.prefix
    assert total > 5000
    assert kept / total >= 0.97, (kept, total)
    assert kept_anchor / total >= 0.97, (kept_anchor, total)


texts = st.text(st.sampled_from("ab(){}[]\n\n\r \"'é😀\u2028"), max_size=300)


@settings(max_examples=150)
@given(st.data())
def test_windows_contain_the_documents_text(data: st.DataObject) -> None:
    limits = WindowLimits(
        prefix_lines=8, suffix_lines=4, prefix_chars=60, suffix_chars=40, middle_lines=3, middle_chars=30
    )
    text = Text.of(data.draw(texts))
    window: Window | None = None
    for _ in range(6):
        cursor = text.clamp(
            Position(data.draw(st.integers(0, text.line_count)), data.draw(st.integers(0, 40)))
        )
        if data.draw(st.booleans()):
            end = text.clamp(Position(cursor.line, cursor.column + data.draw(st.integers(0, 2))))
            inserted = data.draw(st.text(st.sampled_from("x()\n"), max_size=3))
            text = text.replace(cursor, end, inserted)
            cursor = text.clamp(after(text, cursor, inserted))
        window = next_window(window, text, cursor, limits)
        before = normalise(text.slice(Position(0, 0), cursor))
        behind = normalise(text.slice(cursor, text.clamp(Position(10**9, 10**9))))
        assert before.endswith(window.prefix + window.middle)
        assert len(window.prefix + window.middle) <= limits.prefix_chars
        assert len(window.suffix) <= limits.suffix_chars
        dropped = behind.find(window.suffix)
        assert dropped >= 0
        assert not any(char.isalnum() for char in behind[:dropped]) or not window.suffix


def test_a_paired_bracket_leaves_the_suffix_alone() -> None:
    text = Text.of("def f():\n    x = g\n    return x\n")
    cursor = Position(1, 9)
    first = next_window(None, text, cursor, WindowLimits())
    second = next_window(first, text.replace(cursor, cursor, "()"), Position(1, 10), WindowLimits())
    assert second.suffix == first.suffix == "\n    return x\n"
    assert (second.prefix + second.middle).endswith("x = g(")


def test_a_paired_bracket_in_mid_line_leaves_the_suffix_alone() -> None:
    text = Text.of("y = f + g(2)\nz = 1\n")
    cursor = Position(0, 5)
    first = next_window(None, text, cursor, WindowLimits())
    second = next_window(first, text.replace(cursor, cursor, "()"), Position(0, 6), WindowLimits())
    assert second.suffix == first.suffix == " + g(2)\nz = 1\n"


@pytest.mark.parametrize(
    ("source", "cursor", "suffix"),
    [
        ("f()\nx\n", (0, 2), "\nx\n"),
        ("f(a, b)\nx\n", (0, 2), "a, b)\nx\n"),
        ("f(", (0, 2), ""),
        ("f()\n\n", (0, 2), ""),
        ("f();\r\nx\r\n", (0, 2), "\nx\n"),
        ("", (0, 0), ""),
    ],
)
def test_the_suffix_has_no_closers_at_its_head(source: str, cursor: tuple[int, int], suffix: str) -> None:
    assert next_window(None, Text.of(source), cursor, WindowLimits()).suffix == suffix


def test_an_edited_suffix_is_replaced() -> None:
    text = Text.of("a\nb\nc\n")
    first = next_window(None, text, (0, 1), WindowLimits())
    edited = text.replace(Position(2, 0), Position(2, 1), "changed")
    assert next_window(first, edited, (0, 1), WindowLimits()).suffix == "\nb\nchanged\n"


def test_a_suffix_that_grew_is_replaced() -> None:
    text = Text.of("a\nb")
    first = next_window(None, text, (0, 1), WindowLimits())
    assert (
        next_window(first, text.replace(Position(1, 1), Position(1, 1), "\nc"), (0, 1), WindowLimits()).suffix
        == "\nb\nc"
    )


def test_a_suffix_changes_when_the_cursor_moves() -> None:
    text = Text.of("a\nb\nc\n")
    first = next_window(None, text, (0, 1), WindowLimits())
    assert next_window(first, text, (1, 1), WindowLimits()).suffix == "\nc\n"


def test_lines_added_above_the_left_edge_move_nothing() -> None:
    lines = [f"line {number}\n" for number in range(1000)]
    text = Text.of("".join(lines))
    first = next_window(None, text, (900, 3), WindowLimits())
    shifted = text.replace(Position(0, 0), Position(0, 0), "import os\n")
    second = next_window(first, shifted, (901, 3), WindowLimits())
    assert (second.prefix, second.middle, second.suffix) == (first.prefix, first.middle, first.suffix)


def test_left_edges_are_round_line_numbers() -> None:
    text = Text.of("x = 1\n" * 2000)
    for line in range(300, 1900, 77):
        assert next_window(None, text, (line, 2), WindowLimits()).left[0] % 32 == 0


def test_a_line_of_a_megabyte_is_cut_in_steps() -> None:
    text = Text.of("x = 1\n" + "abcdefgh" * 131072 + "\ny = 2\n")
    window = next_window(None, text, (1, 500_000), WindowLimits())
    assert window.left == (1, 494_080)
    moved = next_window(window, text, (1, 500_001), WindowLimits())
    assert moved.left == window.left
    assert len(window.suffix) == WindowLimits().suffix_chars
    below = next_window(None, text, (2, 3), WindowLimits())
    assert len(below.prefix + below.middle) > WindowLimits().prefix_chars // 2


def test_the_middle_begins_at_the_cursors_line_and_grows_to_a_limit() -> None:
    text = Text.of("a\nb\n")
    window = next_window(None, text, (1, 1), WindowLimits())
    assert (window.prefix, window.middle) == ("a\n", "b")
    cursor = Position(1, 1)
    for _ in range(40):
        text = text.replace(cursor, cursor, "\n")
        cursor = Position(cursor.line + 1, 0)
        window = next_window(window, text, cursor, WindowLimits())
        assert window.middle.count("\n") <= WindowLimits().middle_lines
    assert window.prefix.startswith("a\nb\n")


def test_a_new_middle_begins_some_lines_above_the_cursor() -> None:
    """As many as fit, but never all: a prefix remains."""
    text = Text.of("".join(f"line_{number} = {number}\n" for number in range(40)))
    window = next_window(None, text, (30, 4), WindowLimits())
    assert window.middle.startswith("line_22 = 22\n") and window.middle.endswith("\nline")
    small = next_window(None, text, (30, 4), WindowLimits(middle_chars=80))
    assert small.middle.startswith("line_28 = 28\n") and len(small.middle) <= 40
    top = next_window(None, text, (3, 4), WindowLimits())
    assert (top.prefix, top.middle) == ("line_0 = 0\n", "line_1 = 1\nline_2 = 2\nline")
