"""A whole-document change becomes one edit that gives exactly the new text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aix_lsp.completion.text import Edit, Position, Text
from aix_lsp.lsp.documents import minimal_edit

strings = st.text(st.sampled_from("ab漢😀\u2028\r\n"), max_size=40)


@given(strings, strings)
def test_applying_the_difference_gives_the_new_text(old: str, new: str) -> None:
    before, after = Text.of(old), Text.of(new)
    edit = minimal_edit(before, after)
    if edit is None:
        assert old == new
    else:
        assert before.clamp(edit.start) == edit.start
        assert before.clamp(edit.end) == edit.end
        assert str(before.replace(edit.start, edit.end, edit.text)) == new


@given(strings, strings, strings)
def test_an_insertion_stays_as_small_as_it_was(head: str, inserted: str, tail: str) -> None:
    edit = minimal_edit(Text.of(head + tail), Text.of(head + inserted + tail))
    assert (
        edit is None or len(edit.text) <= len(inserted) + 4
    )  # a line ending that merges is replaced as a whole


P = Position
CASES = [
    ("ab", "axb", Edit(P(0, 1), P(0, 1), "x")),
    ("ab", "a\nb", Edit(P(0, 1), P(0, 1), "\n")),
    ("a\nb\nc\n", "a\nc\n", Edit(P(1, 0), P(2, 0), "")),
    ("aaa", "aa", Edit(P(0, 2), P(0, 3), "")),
    ("a\nb", "a\r\nb", Edit(P(0, 1), P(1, 0), "\r\n")),
    ("", "x\ny", Edit(P(0, 0), P(0, 0), "x\ny")),
]


@pytest.mark.parametrize(("old", "new", "edit"), CASES)
def test_cases(old: str, new: str, edit: Edit) -> None:
    assert minimal_edit(Text.of(old), Text.of(new)) == edit


def test_a_large_document_keeps_its_blocks() -> None:
    lines = [f"line {i}\n" for i in range(50_000)]
    before = Text.of("".join(lines))
    lines[30_000] = "line 30000!\n"
    edit = minimal_edit(before, Text.of("".join(lines)))
    assert edit == Edit(P(30_000, 10), P(30_000, 10), "!")
