"""Positions followed through edits, compared with offsets in a plain string."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from aix_lsp.completion.text import Edit, Position, Span, Text, after, follow, shrink, typed_in

ALPHABET = st.sampled_from("ab(\n😀\u2028")
strings = st.text(ALPHABET, max_size=30)


def position(string: str, offset: int) -> Position:
    return after(Position(0, 0), string[:offset])


@settings(max_examples=200)
@given(st.data())
def test_a_span_follows_its_text(data: st.DataObject) -> None:
    string = data.draw(strings)
    start = data.draw(st.integers(0, len(string)))
    end = data.draw(st.integers(start, len(string)))
    span: Span | None = Span(position(string, start), position(string, end))
    for _ in range(data.draw(st.integers(1, 4))):
        low = data.draw(st.integers(0, len(string)))
        high = data.draw(st.integers(low, len(string)))
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
        head = now.slice(Position(0, 0), span.start)
        behind = now.slice(span.end, now.end)
        assert head + typed_in(span, now) + behind == changed
        if low >= start and high <= end:
            assert (head, behind) == (kept_before, kept_behind)
        string = changed
        start, end = len(head), len(changed) - len(behind)


@settings(max_examples=150)
@given(st.data())
def test_a_shrunk_edit_is_equivalent(data: st.DataObject) -> None:
    string = data.draw(strings)
    low = data.draw(st.integers(0, len(string)))
    high = data.draw(st.integers(low, len(string)))
    text = Text.of(string)
    edit = Edit(position(string, low), position(string, high), data.draw(strings))
    small = shrink(edit, text)
    assert str(text.replace(*_parts(small))) == str(text.replace(*_parts(edit)))
    assert len(small.text) <= len(edit.text)
    assert small.start >= edit.start
    assert small.end <= edit.end


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
