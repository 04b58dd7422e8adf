"""Keeps everything a client has open: files, and notebooks with the text of their cells in each language."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from lsprotocol import types

from aix_lsp.completion.text import Change, DocumentSnapshot, Edit, Position, Text
from aix_lsp.languages import language_of
from aix_lsp.lsp.documents import DocumentRouter, DocumentStore, RequestDocument, minimal_edit
from aix_lsp.lsp.services import ConfiguredService
from aix_lsp.lsp.workspace import Workspace


@dataclass(frozen=True, slots=True)
class NotebookView:
    """All cells as one document; `starts` maps each cell in its language to its first line."""

    document: DocumentSnapshot
    starts: Mapping[str, int]


def assemble(name: DocumentSnapshot, cells: Sequence[DocumentSnapshot]) -> NotebookView:
    """Join the cells in order; cells in other languages become comments, or are left out if the language has none.

    `name` has the view's URI, version, language and path. A cell that ends in a lone carriage return, whose lines
    would not add up, is treated like one in another language, so that it is completed on its own.
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
    return NotebookView(replace(name, text=Text.of("".join(parts))), starts)


def apply_change(before: NotebookView, change: Change, version: int) -> tuple[NotebookView, Change] | None:
    """The view after a change of one of its cells, and that change as one of the view.

    None if the view must be assembled again: the cell is not in it, or the end of its last line changes.
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
        moved = Edit(_moved(edit.start, first), _moved(edit.end, first), edit.text)
        text = text.replace(moved.start, moved.end, moved.text)
        edits.append(moved)
    grown = text.line_count - before.document.text.line_count
    starts = {uri: line + grown if line > first else line for uri, line in before.starts.items()}
    document = replace(before.document, version=version, text=text)
    return NotebookView(document, starts), Change(before.document, document, tuple(edits))


def _moved(position: Position, lines: int) -> Position:
    return Position(position.line + lines, position.column)


def _ends_in_return(text: Text) -> bool:
    count = text.line_count
    return count > 1 and not text.line(count - 1) and text.line(count - 2).endswith("\r")


def _as_comments(language: str, text: Text) -> str:
    lines = (line.rstrip("\r\n") for line in text.lines(0, text.line_count))
    return "".join(language_of(language).comment_line(line) for line in lines if line.strip())


@dataclass(slots=True)
class _Notebook:
    uri: str
    cells: list[str]
    """The cells' URIs, in order."""
    views: dict[str, NotebookView] = field(default_factory=dict)
    """By language."""
    stale: set[str] = field(default_factory=set)
    """Languages whose view no longer matches its cells."""
    version: int = 0

    def view_uri(self, language: str) -> str:
        return f"{self.uri}#{language}"


class Notebooks:
    """The open notebooks. The cells themselves are in the document store."""

    def __init__(self, store: DocumentStore, router: DocumentRouter) -> None:
        self._store = store
        self._router = router
        self._notebooks: dict[str, _Notebook] = {}
        self._of_cell: dict[str, _Notebook] = {}

    def __len__(self) -> int:
        return len(self._notebooks)

    def has_cell(self, uri: str) -> bool:
        return uri in self._of_cell

    def documents(self) -> list[DocumentSnapshot]:
        """The text of each notebook in each of its languages, as the completion services know it."""
        return [view.document for notebook in self._notebooks.values() for view in notebook.views.values()]

    def open(self, uri: str, cells: Sequence[str]) -> None:
        """Open a notebook with these cells, which are in the document store."""
        if uri in self._notebooks:
            self.close(uri)
        self._notebooks[uri] = _Notebook(uri, [])
        self.splice(uri, 0, 0, cells)

    def splice(self, uri: str, start: int, deleted: int, cells: Sequence[str]) -> None:
        """Replace `deleted` cells from `start`; to be called after the document store has been updated."""
        notebook = self._notebooks.get(uri)
        if notebook is None:
            return
        for cell in notebook.cells[start : start + deleted]:
            self._of_cell.pop(cell, None)
        notebook.cells[start : start + deleted] = cells
        self._of_cell |= dict.fromkeys(cells, notebook)
        self._refresh_all(notebook)

    def close(self, uri: str) -> list[str]:
        """Close a notebook; returns its cells."""
        notebook = self._notebooks.pop(uri, None)
        if notebook is None:
            return []
        for cell in notebook.cells:
            self._of_cell.pop(cell, None)
        for language in notebook.views:
            self._router.closed(notebook.view_uri(language))
        return notebook.cells

    def changed(self, change: Change) -> None:
        """Apply an edit of a cell: at once to its own language's view, to others when they are requested."""
        notebook = self._of_cell[change.after.uri]
        language = change.after.language
        notebook.version += 1
        notebook.stale |= notebook.views.keys() - {language}
        before = notebook.views.get(language)
        updated = (
            None
            if before is None or language in notebook.stale
            else apply_change(before, change, notebook.version)
        )
        if updated is None:
            self._refresh(notebook, language)
        else:
            notebook.views[language], view_change = updated
            self._router.changed(view_change)

    def request_document(self, cell: DocumentSnapshot) -> RequestDocument:
        """A cell and the notebook around it."""
        notebook = self._of_cell[cell.uri]
        if cell.language in notebook.stale:
            self._refresh(notebook, cell.language)
        view = notebook.views.get(cell.language)
        if view is None or cell.uri not in view.starts:
            return RequestDocument(cell, cell)
        return RequestDocument(cell, view.document, view.starts[cell.uri])

    def _refresh_all(self, notebook: _Notebook) -> None:
        languages = {cell.language for cell in self._cells(notebook)}
        for gone in notebook.views.keys() - languages:
            del notebook.views[gone]
            self._router.closed(notebook.view_uri(gone))
        for language in sorted(languages):
            self._refresh(notebook, language)

    def _refresh(self, notebook: _Notebook, language: str) -> None:
        """Assemble a view again, and pass the difference on as an edit."""
        notebook.version += 1
        notebook.stale.discard(language)
        path = self._store.workspace.shown_path(notebook.uri)
        name = DocumentSnapshot(notebook.view_uri(language), notebook.version, language, path, Text.of(""))
        after = assemble(name, self._cells(notebook))
        before = notebook.views.get(language)
        notebook.views[language] = after
        if before is None:
            self._router.opened(after.document)
        elif (edit := minimal_edit(before.document.text, after.document.text)) is not None:
            self._router.changed(Change(before.document, after.document, (edit,)))

    def _cells(self, notebook: _Notebook) -> list[DocumentSnapshot]:
        found = (self._store.get(uri) for uri in notebook.cells)
        return [cell for cell in found if cell is not None]


class OpenDocuments:
    """Files and notebooks. Each change goes to the store, then to the completion service, in the same call."""

    def __init__(self, workspace: Workspace, service_for: Callable[[str], ConfiguredService | None]) -> None:
        self.store = DocumentStore(workspace)
        self.router = DocumentRouter(service_for)
        self.notebooks = Notebooks(self.store, self.router)
        self._edited_at: dict[str, float] = {}

    def find(self, uri: str) -> RequestDocument | None:
        """The current document for a request; None if the client has not opened it."""
        document = self.store.get(uri)
        if document is None:
            return None
        return (
            self.notebooks.request_document(document)
            if self.notebooks.has_cell(uri)
            else RequestDocument(document, document)
        )

    def since_edit(self, uri: str) -> float:
        """Seconds since a document's last change; infinite if there was none."""
        return time.monotonic() - self._edited_at.get(uri, float("-inf"))

    def open(self, uri: str, language: str, version: int, text: str) -> None:
        self.router.opened(self.store.open(uri, language, version, text))

    def change(
        self, uri: str, version: int | None, changes: Sequence[types.TextDocumentContentChangeEvent]
    ) -> None:
        change = self.store.change(uri, version, changes)
        if change is None:
            return
        self._edited_at[uri] = time.monotonic()
        if self.notebooks.has_cell(uri):
            self.notebooks.changed(change)
        else:
            self.router.changed(change)

    def close(self, uri: str) -> None:
        self._edited_at.pop(uri, None)
        if self.store.close(uri) is not None:
            self.router.closed(uri)

    def rebind(self) -> None:
        """Move each document to the service that is responsible after a change of settings."""
        self.router.rebind([*self.store, *self.notebooks.documents()])

    def rename_paths(self) -> list[DocumentSnapshot]:
        """Update all paths after the workspace folders have changed; returns the documents whose path is different."""
        renamed = self.store.rename_paths()
        moved = [document for document in renamed if not self.notebooks.has_cell(document.uri)]
        for document in moved:
            self.router.opened(document)
        return moved
