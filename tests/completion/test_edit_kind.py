"""How a document was edited: the edits after each other, and what the last one is taken for."""

from __future__ import annotations

import pytest

from aix_lsp.completion.document import Edit, Position, Text
from aix_lsp.completion.edit_kind import EditKind, Replaced, edit_kind, replaced


def edit(line: int, start: int, end: int, text: str) -> Edit:
    return Edit(Position(line, start), Position(line, end), text)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ([[edit(0, 3, 3, "x")]], ""),
        ([[edit(0, 2, 3, "")]], "deleting"),
        ([[edit(0, 0, 3, "x")]], ""),
        # undo, redo
        ([[edit(0, 0, 3, "")], [edit(0, 0, 0, "one")]], "undoing"),
        ([[edit(0, 3, 3, "(1)")], [edit(0, 3, 6, "")]], "undoing"),
        ([[edit(0, 3, 3, "(1)")], [edit(0, 3, 6, "")], [edit(0, 3, 3, "(1)")]], "undoing"),
        ([[edit(0, 0, 3, "more")], [edit(0, 0, 4, "one")]], "undoing"),
        # a client that replaces the whole line
        ([[edit(0, 0, 3, "one(1)")], [edit(0, 0, 6, "one")]], "undoing"),
        # typed again, or elsewhere
        ([[edit(0, 2, 3, "")], [edit(0, 2, 2, "e")]], ""),
        ([[edit(0, 0, 3, "")], [edit(1, 0, 0, "one")]], ""),
        ([[edit(0, 0, 3, "")], [edit(0, 0, 0, "two")]], ""),
        # several
        ([[edit(0, 0, 0, "x"), edit(1, 0, 0, "x")]], "several cursors"),
        ([[edit(0, 0, 1, ""), edit(1, 0, 1, "")]], "several cursors"),
        ([[edit(0, 0, 0, "x"), edit(1, 0, 0, "y")]], ""),
    ],
)
def test_manner(changes: list[list[Edit]], expected: EditKind) -> None:
    text, earlier = Text.of("one\ntwo\n"), list[Replaced]()
    found: EditKind = ""
    for edits in changes:
        now = replaced(edits, text)
        found = edit_kind(edits, now, earlier)
        earlier += [now] if now else []
        for each in edits:
            text = text.replace(each.start, each.end, each.text)
    assert found == expected
