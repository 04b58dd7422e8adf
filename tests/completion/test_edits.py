"""Positions followed through edits, compared with offsets in a plain string."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aix_lsp.completion.text import Edit, Position, Span, Text, after, follow, shrink, typed_in
from aix_lsp.fim.reading import normalise

ALPHABET = st.sampled_from("ab(\n\r😀\u2028")
strings = st.text(ALPHABET, max_size=30)


def position(string: str, offset: int) -> Position:
    return after(Position(0, 0), string[:offset])


def offsets(string: str, least: int = 0) -> st.SearchStrategy[int]:
    """Places in a string from `least` on; between "\\r" and "\\n" there is none in LSP."""
    places = range(least, len(string) + 1)
    return st.sampled_from([at for at in places if string[max(0, at - 1) : at + 1] != "\r\n"])


@settings(max_examples=200)
@given(st.data())
def test_a_span_follows_its_text(data: st.DataObject) -> None:
    string = data.draw(strings)
    start = data.draw(offsets(string))
    end = data.draw(offsets(string, start))
    span: Span | None = Span(position(string, start), position(string, end))
    for _ in range(data.draw(st.integers(1, 4))):
        low = data.draw(offsets(string))
        high = data.draw(offsets(string, low))
        new = data.draw(st.text(ALPHABET, max_size=4))
        edit = Edit(position(string, low), position(string, high), new)
        changed = string[:low] + new + string[high:]
        assert span is not None
        text = Text.of(string)
        kept_before, kept_behind = string[:start], string[end:]
        span = follow(span, text, [edit])
        if span is None:
            return
        now = text.replace(edit.start, edit.end, edit.text)
        assert str(now) == changed
        assert now.clamp(span.start) == span.start and now.clamp(span.end) == span.end
        head = now.slice(Position(0, 0), span.start)
        behind = now.slice(span.end, now.end)
        assert normalise(head) + typed_in(span, now) + normalise(behind) == normalise(changed)
        if low >= start and high <= end:
            assert (normalise(head), normalise(behind)) == (normalise(kept_before), normalise(kept_behind))
        string = changed
        start, end = len(head), len(changed) - len(behind)


@settings(max_examples=150)
@given(st.data())
def test_a_shrunk_edit_is_equivalent(data: st.DataObject) -> None:
    string = data.draw(strings)
    low = data.draw(offsets(string))
    high = data.draw(offsets(string, low))
    text = Text.of(string)
    edit = Edit(position(string, low), position(string, high), data.draw(strings))
    small = shrink(edit, text)
    shrunk = Text.of(normalise(string)).replace(*_parts(small))
    assert str(shrunk) == normalise(str(text.replace(*_parts(edit))))
    assert len(small.text) <= len(edit.text)


def _parts(edit: Edit) -> tuple[Position, Position, str]:
    return edit.start, edit.end, edit.text


def test_a_word_replaced_by_a_longer_one_is_typing() -> None:
    text = Text.of("x = pri\n")
    small = shrink(Edit(Position(0, 4), Position(0, 7), "print(x)"), text)
    assert small == Edit(Position(0, 7), Position(0, 7), "nt(x)")


def test_a_whole_document_sent_again_is_a_small_edit() -> None:
    text = Text.of("a = 1\nb = 2\nc = 3\n")
    small = shrink(Edit(Position(0, 0), Position(3, 0), "a = 1\nb = 23\nc = 3\n"), text)
    assert small == Edit(Position(1, 5), Position(1, 5), "3")


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("other", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("whole", [True, False])
def test_other_line_endings_move_nothing(ending: str, other: str, whole: bool) -> None:
    """Whether the client sends the whole document again or only the endings."""
    text, span = Text.of(f"a{ending}b{ending}{ending}c"), Span(Position(1, 1), Position(1, 1))
    if whole:
        edits = [Edit(Position(0, 0), text.end, f"a{other}b{other}{other}c")]
    else:
        ends = Position(2, 0), Position(1, 1), Position(0, 1)
        edits = [Edit(end, Position(end.line + 1, 0), other) for end in ends]
    assert follow(span, text, edits) == span
