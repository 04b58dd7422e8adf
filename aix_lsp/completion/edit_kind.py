"""How a document was edited last, where it was not by typing on. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Literal, NamedTuple

from aix_lsp.completion.document import Edit, Position, Text
from aix_lsp.completion.edits import shrink

EditKind = Literal["", "deleting", "undoing", "several cursors"]

_SHORTEST = 2
"""A letter that is typed again where one was deleted is typed."""


class Replaced(NamedTuple):
    """One edit's doing: `new` stands where `old` stood."""

    start: Position
    old: str
    new: str


def replaced(edits: Sequence[Edit], before: Text) -> Replaced | None:
    """What the only edit of a change to `before` did; None where there are several."""
    if len(edits) != 1:
        return None
    edit = shrink(edits[0], before)
    return Replaced(edit.start, before.slice(edit.start, edit.end), edit.text)


def edit_kind(edits: Sequence[Edit], now: Replaced | None, earlier: Collection[Replaced]) -> EditKind:
    """The manner of a change, `now` being what it did and `earlier` what those before it did.

    An undo puts back what another change took, or takes what it put there; so does a redo.
    """
    if len({edit.start.line for edit in edits}) > 1 and len({edit.text for edit in edits}) == 1:
        return "several cursors"
    long = now is not None and max(len(now.old), len(now.new)) >= _SHORTEST
    if long and now is not None and Replaced(now.start, now.new, now.old) in earlier:
        return "undoing"
    return "" if any(edit.text for edit in edits) else "deleting"
