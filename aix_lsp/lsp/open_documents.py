"""What a client has open, files and notebooks alike: takes the changes and gives what requests are about."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from aix_lsp.completion.document import DocumentSnapshot
from aix_lsp.lsp.audience import Audience
from aix_lsp.lsp.documents import DocumentStore, WireChange
from aix_lsp.lsp.notebooks import Notebooks
from aix_lsp.lsp.scopes import Scope
from aix_lsp.lsp.target import Target
from aix_lsp.lsp.workspace import Workspace


class OpenDocuments:
    """Every change goes to the store first and to the completion service next, within the same call."""

    def __init__(self, workspace: Workspace, scope_of: Callable[[str], Scope | None]) -> None:
        self.store = DocumentStore(workspace)
        self.audience = Audience(scope_of)
        self.notebooks = Notebooks(self.store, self.audience)
        self._edited_at: dict[str, float] = {}

    def target(self, uri: str) -> Target | None:
        """The document as it is now; None where the client has not opened it."""
        document = self.store.get(uri)
        if document is None:
            return None
        return self.notebooks.target(document) if self.notebooks.has_cell(uri) else Target(document, document)

    def since_edit(self, uri: str) -> float:
        """Seconds since a document's last change; infinite where there was none."""
        return time.monotonic() - self._edited_at.get(uri, float("-inf"))

    def open(self, uri: str, language: str, version: int, text: str) -> None:
        self.audience.opened(self.store.open(uri, language, version, text))

    def change(self, uri: str, version: int | None, changes: Sequence[WireChange]) -> None:
        change = self.store.change(uri, version, changes)
        if change is None:
            return
        self._edited_at[uri] = time.monotonic()
        if self.notebooks.has_cell(uri):
            self.notebooks.changed(change)
        else:
            self.audience.changed(change)

    def close(self, uri: str) -> None:
        self._edited_at.pop(uri, None)
        if self.store.close(uri) is not None:
            self.audience.closed(uri)

    def rename_paths(self) -> list[DocumentSnapshot]:
        """Name all documents anew after the folders have changed; gives those with another path."""
        renamed = self.store.rename_paths()
        moved = [document for document in renamed if not self.notebooks.has_cell(document.uri)]
        for document in moved:
            self.audience.opened(document)
        return moved
