"""A notebook's cells put together to one text in one language. Pure: documents in, views out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from aix_lsp.completion.document import DocumentSnapshot, Edit
from aix_lsp.completion.text import Position, Text
from aix_lsp.fim.comments import comment
from aix_lsp.lsp.documents import Change


@dataclass(frozen=True, slots=True)
class View:
    """All cells as one document; `starts` has the first line of each cell that is in its language."""

    document: DocumentSnapshot
    starts: Mapping[str, int]


def assemble(name: DocumentSnapshot, cells: Sequence[DocumentSnapshot]) -> View:
    """The cells in their order; those in other languages as comments, or left out where there are none.

    `name` has the view's URI, version, language and path. A cell that ends in a lone `\\r`, whose lines would
    not add up, begins nowhere, so that it is completed on its own.
    """
    parts: list[str] = []
    starts: dict[str, int] = {}
    line = 0
    for cell in cells:
        if cell.language == name.language and not _ends_in_return(cell.text):
            starts[cell.uri] = line
            parts.append(str(cell.text) + "\n")
            line += cell.text.line_count
        else:
            notes = _as_comments(name.language, cell.text)
            parts.append(notes)
            line += notes.count("\n")
    return View(replace(name, text=Text.of("".join(parts))), starts)


def follow(before: View, change: Change, version: int) -> tuple[View, Change] | None:
    """The view after a change of one of its cells, and the change as the view's own.

    None where the view must be assembled anew, because the cell is not in it or its last line's end changes.
    """
    first = before.starts.get(change.before.uri)
    if (
        first is None
        or _ends_in_return(change.after.text)
        or change.after.language != before.document.language
    ):
        return None
    text, edits = before.document.text, []
    for edit in change.edits:
        moved = Edit(_down(edit.start, first), _down(edit.end, first), edit.text)
        text = text.replace(moved.start, moved.end, moved.text)
        edits.append(moved)
    grown = text.line_count - before.document.text.line_count
    starts = {uri: line + grown if line > first else line for uri, line in before.starts.items()}
    document = replace(before.document, version=version, text=text)
    return View(document, starts), Change(before.document, document, tuple(edits))


def _down(position: Position, lines: int) -> Position:
    return Position(position.line + lines, position.column)


def _ends_in_return(text: Text) -> bool:
    count = text.line_count
    return count > 1 and not text.line(count - 1) and text.line(count - 2).endswith("\r")


def _as_comments(language: str, text: Text) -> str:
    lines = (line.rstrip("\r\n") for line in text.lines(0, text.line_count))
    return "".join(comment(language, line) for line in lines if line.strip())
