"""The syntactic context of a cursor, and how far a suggestion may go there."""

from __future__ import annotations

import pytest

from aix_lsp.completion.cursor import (
    AFTER,
    BEFORE,
    CursorContext,
    Multiline,
    SyntacticContext,
    is_multiline,
    line_ending,
    syntactic_context,
    with_ending,
)
from aix_lsp.completion.text import DocumentSnapshot, Position, Text
from tests.completion.postprocess.cursors import cursor


@pytest.mark.parametrize(
    ("source", "language", "wanted"),
    [
        ("x = |", "python", "code"),
        ("def f():\n    |", "python", "code"),
        ("x = f(|", "python", "parentheses"),
        ("x = f(a,\n      |", "python", "parentheses"),
        ("def f(a, |", "python", "parentheses"),
        ("x = f(a)|", "python", "code"),
        ("x = f([|", "python", "code"),
        ("f(function () {|", "javascript", "code"),
        ("# a (|", "python", "comment"),
        ("x = 1  # a|", "python", "comment"),
        ("/* a\n * |", "c", "comment"),
        ("/* a */ |", "c", "code"),
        ("x = 'a|", "python", "string"),
        ("x = 'a'|", "python", "code"),
        ("f('a|", "python", "string"),
        ('def f():\n    """Say.\n\n    |', "python", "long string"),
        ('def f():\n    """Say."""\n    |', "python", "code"),
        ("x = `a ${|", "javascript", "long string"),
        ("Some words |", "markdown", "prose"),
    ],
)
def test_syntactic_context(source: str, language: str, wanted: SyntacticContext) -> None:
    assert syntactic_context(cursor(source, language)) == wanted


@pytest.mark.parametrize(
    ("source", "multiline", "wanted", "language"),
    [
        ("x = |", "auto", False, "python"),
        ("|", "auto", True, "python"),
        ("def f():\n    |", "auto", True, "python"),
        # a block opener
        ("def f():|", "auto", True, "python"),
        ("if (x) {|}", "auto", True, "javascript"),
        ("if (x) {|", "auto", True, "javascript"),
        ("x => |", "auto", True, "javascript"),
        ("items.each do |", "auto", True, "ruby"),
        ("x = [|", "auto", True, "python"),
        ("x = {|\n", "auto", True, "python"),
        # the next line's indentation
        ("def f():|\n    return 1", "auto", False, "python"),
        ("def f():\n|\n    return 1", "auto", False, "python"),
        ("def f():\n    |\n    return 1", "auto", True, "python"),
        ("def f():\n    |\nx = 1", "auto", True, "python"),
        # a call, a signature
        ("f(|)", "auto", False, "python"),
        ("f(|", "auto", False, "python"),
        ("f(\n    a,\n    |", "auto", False, "python"),
        ("def f(|", "auto", False, "python"),
        ("f(function () {|});", "auto", True, "javascript"),
        # a comment, a string, a docstring: what looks like an opener is not one
        ("# for example:|", "auto", False, "python"),
        ("/* for example {|", "auto", False, "c"),
        ("x = 'for example:|", "auto", False, "python"),
        ('def f():\n    """Say:|', "auto", False, "python"),
        ('def f():\n    """Say.\n    |', "auto", False, "python"),
        ("Say:\n|", "auto", False, "markdown"),
        # as the setting says
        ("f(|, 1)", "always", False, "python"),
        ("x = |", "always", True, "python"),
        ("def f():|", "never", False, "python"),
    ],
)
def test_multiline(source: str, multiline: Multiline, wanted: bool, language: str) -> None:
    assert is_multiline(cursor(source, language), multiline) == wanted


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ("x = 1|", True),
        ("f(|", True),
        ('"""Say:|', True),
        ("def f():|\n    return 1", False),
        ("x = | + 1", False),
    ],
)
def test_multiline_for_explicit_requests(source: str, wanted: bool) -> None:
    assert is_multiline(cursor(source), "auto", invoked=True) == wanted


@pytest.mark.parametrize(
    ("text", "ending"),
    [
        ("", "\n"),
        ("a", "\n"),
        ("a\nb\n", "\n"),
        ("a\r\nb\r\n", "\r\n"),
        ("a\rb\r", "\r"),
        ("a\r\nb\nc\r\n", "\r\n"),
    ],
)
def test_line_ending(text: str, ending: str) -> None:
    assert line_ending(Text.of(text), 0) == ending
    assert with_ending("x\ny", ending) == f"x{ending}y"


def test_the_ending_near_the_cursor_counts() -> None:
    text = Text.of("a\n" * 500 + "b\r\n" * 500)
    assert line_ending(text, 10) == "\n"
    assert line_ending(text, 900) == "\r\n"


def test_a_cursors_context_is_bounded_and_normalised() -> None:
    text = Text.of("a😀\r\n" * 100_000)
    cursor = CursorContext.of(DocumentSnapshot("file:///a", 1, "python", "a", text), Position(50_000, 1))
    assert (len(cursor.before), len(cursor.after)) == (BEFORE, AFTER)
    assert cursor.before.endswith("😀\na")
    assert cursor.after.startswith("😀\na😀\n")
    assert (cursor.line_before, cursor.line_after, cursor.ending) == ("a", "😀", "\r\n")
    assert cursor.line_below() == "a😀"
    assert cursor.line_above() == "a😀"
