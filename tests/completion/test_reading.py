"""Small readers of code and text: scenes, line endings, unpaired brackets."""

from __future__ import annotations

import pytest

from aix_lsp.completion.brackets import LINE_COMMENT, state_at, unpaired
from aix_lsp.completion.cursor import AFTER, BEFORE, CursorContext, line_ending, with_ending
from aix_lsp.completion.text import DocumentSnapshot, Position, Text


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


def test_a_scene_is_bounded_and_normalised() -> None:
    text = Text.of("a😀\r\n" * 100_000)
    cursor = CursorContext.of(DocumentSnapshot("file:///a", 1, "python", "a", text), Position(50_000, 1))
    assert (len(cursor.before), len(cursor.after)) == (BEFORE, AFTER)
    assert cursor.before.endswith("😀\na")
    assert cursor.after.startswith("😀\na😀\n")
    assert (cursor.line_before, cursor.line_after, cursor.ending) == ("a", "😀", "\r\n")
    assert cursor.lines_below(2) == ["a😀", "a😀"]
    assert cursor.line_above() == "a😀"


@pytest.mark.parametrize(
    ("text", "language", "state", "openers", "closers", "after"),
    [
        ("f(a, [b", "python", "", "([", "", ""),
        ("a) + b]", "python", "", "", ")]", ""),
        ("f(')')", "python", "", "", "", ""),
        ("f('it\\'s (')", "python", "", "", "", ""),
        ("# (", "python", "", "", "", LINE_COMMENT),
        ("# (\nf(", "python", "", "(", "", ""),
        ("// (\n/* ( */ {", "c", "", "{", "", ""),
        ("s = '''(", "python", "", "", "", "'''"),
        ("(''' + x)", "python", "'''", "", "')", ""),
        ('hello")', "python", '"', "", '")', ""),
        ("fn f<'a>(x: &'a str", "rust", "", "(", "", ""),
        ("`${x}` + `(", "javascript", "", "", "", "`"),
        ("a = /['(]\\/`/.test(", "javascript", "", "(", "", ""),
        ("f(/[/(]/g, {", "typescript", "", "({", "", ""),
        ("a = (b) / c + '(' / d", "javascript", "", "", "", ""),
        ("'a, /' + f(b, '/', [", "javascript", "", "([", "", ""),
        ("// see: /'/\nf(", "javascript", "", "(", "", ""),
        ("it's (fine", "markdown", "", "(", "", ""),
        ('"left open\n(', "python", "", "(", "", ""),
        (")(", "python", "", "(", ")", ""),
    ],
)
def test_unpaired(text: str, language: str, state: str, openers: str, closers: str, after: str) -> None:
    found = unpaired(text, language, state)
    assert "".join(bracket.char for bracket in found.openers) == openers
    assert "".join(bracket.char[0] for bracket in found.closers) == closers
    assert found.state == after


@pytest.mark.parametrize(
    ("before", "language", "state"),
    [
        ('def f():\n    """Doc."""\n    x = "', "python", '"'),
        ('def f():\n    """Doc.\n\n    more', "python", '"""'),
        ('the end of it.\n    """\n    x = 1\n    return f(', "python", ""),
        ('the end of it.\n    """\n    x = 1\n\n\ndef g():\n    """Words', "python", '"""'),
        ("", "python", ""),
        ("// it's\nf(", "c", ""),
    ],
)
def test_state_where_the_beginning_is_not_known(before: str, language: str, state: str) -> None:
    assert state_at(before, language) == state
