"""The document that a request is about, as it was when the request was received."""

from __future__ import annotations

from dataclasses import dataclass

from aix_lsp.completion.document import DocumentSnapshot, Position


@dataclass(frozen=True, slots=True)
class Target:
    """What the client calls by its URI, and what is completed.

    Both are the same but for a notebook's cell: there `whole` is the notebook's text in the cell's language,
    in which the cell `document` begins at line `first_line`.
    """

    document: DocumentSnapshot
    whole: DocumentSnapshot
    first_line: int = 0

    def into_whole(self, position: Position) -> Position:
        return Position(position.line + self.first_line, position.column)

    def out_of_whole(self, position: Position) -> Position:
        return Position(position.line - self.first_line, position.column)
