"""The documents that a client has open, and the completion services that are told of their changes.

Notebooks are assembled in open_documents.py.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from lsprotocol import types

from aix_lsp.completion.text import Change, DocumentSnapshot, Edit, Position, Text, common, content_length
from aix_lsp.lsp.positions import DEFAULT_ENCODING, Encoding, from_wire, to_wire, without_surrogates
from aix_lsp.lsp.services import ConfiguredService
from aix_lsp.lsp.workspace import Workspace

logger = logging.getLogger(__name__)


class DocumentStore:
    """Open documents by URI. Everything it returns is immutable."""

    def __init__(self, workspace: Workspace, encoding: Encoding = DEFAULT_ENCODING) -> None:
        self.workspace = workspace
        self.encoding = encoding
        self._documents: dict[str, DocumentSnapshot] = {}

    def __len__(self) -> int:
        return len(self._documents)

    def __iter__(self) -> Iterator[DocumentSnapshot]:
        return iter(tuple(self._documents.values()))

    def get(self, uri: str) -> DocumentSnapshot | None:
        """The current document; None if the client has not opened it."""
        return self._documents.get(uri)

    def open(self, uri: str, language: str, version: int, text: str) -> DocumentSnapshot:
        """Open a document; one that is open already is replaced."""
        if uri in self._documents:
            logger.warning("%s was opened twice without being closed", uri)
        path = self.workspace.shown_path(uri)
        document = DocumentSnapshot(uri, version, language, path, Text.of(without_surrogates(text)))
        self._documents[uri] = document
        return document

    def change(
        self, uri: str, version: int | None, changes: Sequence[types.TextDocumentContentChangeEvent]
    ) -> Change | None:
        """Apply changes in order; None, and a warning in the log, if the document is not open."""
        before = self._documents.get(uri)
        if before is None:
            logger.warning("a change of %s, which is not open, was ignored", uri)
            return None
        if version is None or version <= before.version:
            # Some clients do not count versions, but everything after us distinguishes texts by them.
            logger.debug("%s went from version %d to %s", uri, before.version, version)
            version = before.version + 1
        text, edits = before.text, []
        for change in changes:
            edit = self._edit(text, change)
            if edit is not None:
                text = text.replace(edit.start, edit.end, edit.text)
                edits.append(edit)
        after = replace(before, version=version, text=text)
        self._documents[uri] = after
        return Change(before, after, tuple(edits))

    def _edit(self, text: Text, change: types.TextDocumentContentChangeEvent) -> Edit | None:
        new = without_surrogates(change.text)
        if isinstance(change, types.TextDocumentContentChangeWholeDocument):
            return minimal_edit(text, Text.of(new))
        first, last = change.range.start, change.range.end
        start = from_wire(text, first.line, first.character, self.encoding)
        end = start if last == first else from_wire(text, last.line, last.character, self.encoding)
        return Edit(min(start, end), max(start, end), new)

    def close(self, uri: str) -> DocumentSnapshot | None:
        """Close a document; None if it was not open."""
        return self._documents.pop(uri, None)

    def rename_paths(self) -> list[DocumentSnapshot]:
        """Update all paths after the workspace folders have changed; returns the documents whose path is different."""
        moved = []
        for uri, document in self._documents.items():
            path = self.workspace.shown_path(uri)
            if path != document.path:
                self._documents[uri] = replace(document, path=path)
                moved.append(self._documents[uri])
        return moved


def minimal_edit(before: Text, after: Text) -> Edit | None:
    """The smallest single edit from `before` to `after`; None if they are equal.

    So typing looks like typing if the client sends whole documents, and unchanged lines stay shared.
    """
    old, new = before.lines(0, before.line_count), after.lines(0, after.line_count)
    top = common(old, new)
    if top == len(old) == len(new):
        return None
    top = min(top, len(old) - 1, len(new) - 1)
    bottom = common(old[:top:-1], new[:top:-1])
    old, new = old[top : len(old) - bottom], new[top : len(new) - bottom]
    head = common(_content(old[0]), _content(new[0]))
    start = Position(top, head)
    if _ending(old[-1]) != _ending(new[-1]):  # no position is inside an ending, so it is replaced as a whole
        end, new_end = Position(top + len(old), 0), Position(top + len(new), 0)
    else:
        last, new_last = _content(old[-1]), _content(new[-1])
        rest, new_rest = last[head if len(old) == 1 else 0 :], new_last[head if len(new) == 1 else 0 :]
        tail = common(rest[::-1], new_rest[::-1])
        end = Position(top + len(old) - 1, len(last) - tail)
        new_end = Position(top + len(new) - 1, len(new_last) - tail)
    return Edit(start, end, after.slice(start, new_end))


def _content(line: str) -> str:
    return line[: content_length(line)]


def _ending(line: str) -> str:
    return line[content_length(line) :]


class DocumentRouter:
    """Passes documents and their edits to the completion service that is responsible for each. Keeps no document.

    A notebook counts as one document per language; its cells do not count.
    """

    def __init__(self, service_for: Callable[[str], ConfiguredService | None]) -> None:
        self._service_for = service_for
        self._services: dict[str, ConfiguredService | None] = {}
        """By the URI of each document; None for a document without a service."""

    def __len__(self) -> int:
        return len(self._services)

    def opened(self, document: DocumentSnapshot) -> None:
        """Register a document; one with the same URI is replaced."""
        self.closed(document.uri)
        self._bind(document)

    def changed(self, change: Change) -> None:
        """Pass an edit to the document's service, at once."""
        bound = self._services.get(change.after.uri)
        if bound is not None:
            bound.service.document_changed(change)

    def closed(self, uri: str) -> None:
        """Remove a document."""
        bound = self._services.pop(uri, None)
        if bound is not None:
            bound.service.document_closed(uri)

    def rebind(self, documents: Iterable[DocumentSnapshot]) -> None:
        """Move those that are registered to the service that is responsible after a change of settings."""
        for document in documents:
            if document.uri in self._services:
                bound = self._services[document.uri]
                if self._service_for(document.uri) is not bound:
                    if bound is not None:
                        bound.service.document_closed(document.uri)
                    self._bind(document)

    def _bind(self, document: DocumentSnapshot) -> None:
        configured = self._services[document.uri] = self._service_for(document.uri)
        if configured is not None:
            configured.service.document_opened(document)


@dataclass(frozen=True, slots=True)
class RequestDocument:
    """The document that a request is about, as it was when the request was received.

    `snapshot` is the document with the client's URI, `whole` the one that is completed. They differ only for a
    notebook's cell: for it, `whole` is the notebook's text in the cell's language, in which the cell begins at line
    `first_line`.
    """

    snapshot: DocumentSnapshot
    whole: DocumentSnapshot
    first_line: int = 0

    @property
    def language(self) -> str:
        return self.snapshot.language

    def into_whole(self, position: Position) -> Position:
        return Position(position.line + self.first_line, position.column)

    def out_of_whole(self, position: Position) -> Position:
        return Position(position.line - self.first_line, position.column)


@dataclass(frozen=True, slots=True)
class RequestPosition:
    """The cursor of a request in its document, in code points; returns ranges in the client's encoding."""

    document: RequestDocument
    cursor: Position
    encoding: Encoding

    @property
    def line(self) -> str:
        """The cursor's line with its ending."""
        return self.document.snapshot.text.line(self.cursor.line)

    def range(self, start: Position, end: Position) -> types.Range:
        """A range of the client's document, in the client's encoding."""
        text = self.document.snapshot.text
        first, last = to_wire(text, start, self.encoding), to_wire(text, end, self.encoding)
        return types.Range(types.Position(*first), types.Position(*last))

    def right_of(self, characters: int) -> Position:
        """The position `characters` code points right of the cursor, on its line."""
        return Position(self.cursor.line, self.cursor.column + characters)
