"""Which completion service knows of which document; tells it what happens to them."""

from __future__ import annotations

from collections.abc import Callable

from aix_lsp.completion.document import DocumentSnapshot
from aix_lsp.lsp.documents import Change
from aix_lsp.lsp.scopes import Scope


class Audience:
    """Documents as the services see them: a notebook is one of them for each language, its cells are none."""

    def __init__(self, scope_of: Callable[[str], Scope | None]) -> None:
        self._scope_of = scope_of
        self._documents: dict[str, DocumentSnapshot] = {}
        self._homes: dict[str, Scope] = {}

    def __len__(self) -> int:
        return len(self._documents)

    def opened(self, document: DocumentSnapshot) -> None:
        """A document is there. Again for the same URI: it is another now."""
        self.closed(document.uri)
        self._documents[document.uri] = document
        self._settle(document)

    def changed(self, change: Change) -> None:
        """A document was edited; its service hears of it at once."""
        self._documents[change.after.uri] = change.after
        home = self._homes.get(change.after.uri)
        if home is not None:
            home.service.document_changed(change.before, change.after, change.edits)

    def closed(self, uri: str) -> None:
        """A document is gone."""
        self._documents.pop(uri, None)
        home = self._homes.pop(uri, None)
        if home is not None:
            home.service.document_closed(uri)

    def resettle(self) -> None:
        """Move each document to the service that its settings now say."""
        for document in list(self._documents.values()):
            home = self._homes.get(document.uri)
            if self._scope_of(document.uri) is not home:
                if home is not None:
                    home.service.document_closed(document.uri)
                    del self._homes[document.uri]
                self._settle(document)

    def _settle(self, document: DocumentSnapshot) -> None:
        scope = self._scope_of(document.uri)
        if scope is not None:
            self._homes[document.uri] = scope
            scope.service.document_opened(document)
