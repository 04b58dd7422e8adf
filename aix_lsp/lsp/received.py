"""What was true when the request that is being handled was received."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from aix_lsp.completion.document import DocumentSnapshot, Position


@dataclass(frozen=True, slots=True)
class Target:
    """The document that a request is about.

    `document` is what the client calls by its URI; `whole` is what is completed: the same, or the notebook
    that the cell `document` belongs to, in which it begins at line `first_line`.
    """

    document: DocumentSnapshot
    whole: DocumentSnapshot
    first_line: int = 0

    def into_whole(self, position: Position) -> Position:
        return Position(position.line + self.first_line, position.column)

    def out_of_whole(self, position: Position) -> Position:
        return Position(position.line - self.first_line, position.column)


@dataclass(frozen=True, slots=True)
class Received:
    """`raw` are the params as they came: newer clients send fields that lsprotocol's types do not have."""

    raw: Any = None
    target: Target | None = None
    since_edit_s: float = float("inf")
    """Time from the document's last change to the request's receipt."""


received: ContextVar[Received] = ContextVar("received", default=Received())  # noqa: B039 - it is frozen
