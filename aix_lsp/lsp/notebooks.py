"""The notebooks that a client has open: the order of their cells, and their text in each language."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from aix_lsp.completion.document import DocumentSnapshot, Text
from aix_lsp.lsp.audience import Audience
from aix_lsp.lsp.difference import difference
from aix_lsp.lsp.documents import Change, DocumentStore
from aix_lsp.lsp.notebook_view import View, assemble, follow
from aix_lsp.lsp.target import Target


@dataclass(slots=True)
class _Notebook:
    uri: str
    cells: list[str]
    """URIs, in order."""
    views: dict[str, View] = field(default_factory=dict)
    """By language."""
    stale: set[str] = field(default_factory=set)
    """Languages whose view no longer is what its cells say."""
    version: int = 0

    def view_uri(self, language: str) -> str:
        return f"{self.uri}#{language}"


class Notebooks:
    """Cells themselves are in the document store; here is what they make together."""

    def __init__(self, store: DocumentStore, audience: Audience) -> None:
        self._store = store
        self._audience = audience
        self._notebooks: dict[str, _Notebook] = {}
        self._of_cell: dict[str, _Notebook] = {}

    def __len__(self) -> int:
        return len(self._notebooks)

    def has_cell(self, uri: str) -> bool:
        return uri in self._of_cell

    def open(self, uri: str, cells: Sequence[str]) -> None:
        """Take a notebook with these cells, which are in the document store."""
        if uri in self._notebooks:
            self.close(uri)
        self._notebooks[uri] = _Notebook(uri, [])
        self.splice(uri, 0, 0, cells)

    def splice(self, uri: str, start: int, deleted: int, cells: Sequence[str]) -> None:
        """Put cells in the place of `deleted` ones; call it after the texts have come and gone."""
        notebook = self._notebooks.get(uri)
        if notebook is None:
            return
        for cell in notebook.cells[start : start + deleted]:
            self._of_cell.pop(cell, None)
        notebook.cells[start : start + deleted] = cells
        self._of_cell |= dict.fromkeys(cells, notebook)
        self._refresh_all(notebook)

    def close(self, uri: str) -> list[str]:
        """Forget a notebook; gives its cells."""
        notebook = self._notebooks.pop(uri, None)
        if notebook is None:
            return []
        for cell in notebook.cells:
            self._of_cell.pop(cell, None)
        for language in notebook.views:
            self._audience.closed(notebook.view_uri(language))
        return notebook.cells

    def changed(self, change: Change) -> None:
        """Follow an edit of a cell: at once in its own language, in others when they are asked for."""
        notebook = self._of_cell[change.after.uri]
        language = change.after.language
        notebook.version += 1
        notebook.stale |= notebook.views.keys() - {language}
        before = notebook.views.get(language)
        followed = (
            None if before is None or language in notebook.stale else follow(before, change, notebook.version)
        )
        if followed is None:
            self._refresh(notebook, language)
        else:
            notebook.views[language], whole_change = followed
            self._audience.changed(whole_change)

    def target(self, cell: DocumentSnapshot) -> Target:
        """The cell in its notebook."""
        notebook = self._of_cell[cell.uri]
        if cell.language in notebook.stale:
            self._refresh(notebook, cell.language)
        view = notebook.views.get(cell.language)
        if view is None or cell.uri not in view.starts:
            return Target(cell, cell)
        return Target(cell, view.document, view.starts[cell.uri])

    def _refresh_all(self, notebook: _Notebook) -> None:
        languages = {cell.language for cell in self._cells(notebook)}
        for gone in notebook.views.keys() - languages:
            del notebook.views[gone]
            self._audience.closed(notebook.view_uri(gone))
        for language in sorted(languages):
            self._refresh(notebook, language)

    def _refresh(self, notebook: _Notebook, language: str) -> None:
        """Assemble a view anew, and tell the difference as an edit."""
        notebook.version += 1
        notebook.stale.discard(language)
        path = self._store.workspace.shown_path(notebook.uri)
        name = DocumentSnapshot(notebook.view_uri(language), notebook.version, language, path, Text.of(""))
        after = assemble(name, self._cells(notebook))
        before = notebook.views.get(language)
        notebook.views[language] = after
        if before is None:
            self._audience.opened(after.document)
        elif (edit := difference(before.document.text, after.document.text)) is not None:
            self._audience.changed(Change(before.document, after.document, (edit,)))

    def _cells(self, notebook: _Notebook) -> list[DocumentSnapshot]:
        found = (self._store.get(uri) for uri in notebook.cells)
        return [cell for cell in found if cell is not None]
