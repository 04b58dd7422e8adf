"""The headless editor's document: positions in all encodings, and keys as editors handle them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.client.buffer import Buffer, Encoding, units

TEXTS = st.text(alphabet=st.sampled_from("ab \n\r\té日🐍\u2028\x0c"), max_size=40)
ENCODINGS: tuple[Encoding, ...] = ("utf-8", "utf-16", "utf-32")


@given(text=TEXTS, data=st.data(), encoding=st.sampled_from(ENCODINGS))
def test_positions_lead_back_to_their_offsets(text: str, data: st.DataObject, encoding: Encoding) -> None:
    buffer = Buffer("", text, "", encoding)
    offset = data.draw(st.integers(0, len(text)))
    inside_an_ending = text[max(0, offset - 1) : offset + 1] == "\r\n"
    if not inside_an_ending:
        assert buffer.offset(buffer.position(offset)) == offset


@pytest.mark.parametrize(("encoding", "length"), [("utf-8", 4), ("utf-16", 2), ("utf-32", 1)])
def test_units_of_a_snake(encoding: Encoding, length: int) -> None:
    assert units("🐍", encoding) == length


@pytest.mark.parametrize(
    ("before", "keys", "after"),
    [
        ("", "f(x)", "f(x)|"),
        ("", "f(", "f(|)"),
        ("", 'f("a")', 'f("a")|'),
        ("", "it's", "it's|"),
        ("", '"""', '"""|'),
        ("", "(a", "(a|)"),
        ("if x:", "\ny", "if x:\n    y|"),
        ("    x", "\ny", "    x\n    y|"),
        ("", "f(\n", "f(\n    |\n)"),
    ],
)
def test_keys(before: str, keys: str, after: str) -> None:
    buffer = Buffer("", before, "python")
    for key in keys:
        buffer.key(key)
    assert buffer.text[: buffer.cursor] + "|" + buffer.text[buffer.cursor :] == after


def test_accepting_over_an_auto_inserted_closer_leaves_none_pending() -> None:
    buffer = Buffer("", "", "python")
    buffer.key("f")
    buffer.key("(")
    buffer.accept(buffer.cursor, buffer.cursor + 1, "x)")
    assert buffer.text == "f(x)"
    buffer.key(")")
    assert buffer.text == "f(x))"


def test_versions_count_edits_only() -> None:
    buffer = Buffer("", "", "python")
    assert len(buffer.key("(")) == 1
    assert buffer.key(")") == []
    assert buffer.version == 2
