"""The documents that one client has open, as it describes them; positions come in the client's encoding.

Holds no LSP types: request handlers unpack those. Notebooks are put together in notebooks.py.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from aix_lsp.completion.document import DocumentSnapshot, Edit
from aix_lsp.completion.text import Position, Text
from aix_lsp.lsp.difference import difference
from aix_lsp.lsp.positions import DEFAULT_ENCODING, Encoding, from_wire, to_wire, without_surrogates
from aix_lsp.lsp.workspace import Workspace

logger = logging.getLogger(__name__)

WirePosition = tuple[int, int]
"""Line and code units in the client's encoding."""


@dataclass(frozen=True, slots=True)
class WireChange:
    """One content change: the new text of a span, or of the whole document where `span` is None."""

    text: str
    span: tuple[WirePosition, WirePosition] | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """What a didChange did. Each edit is relative to the text after the one before it."""

    before: DocumentSnapshot
    after: DocumentSnapshot
    edits: tuple[Edit, ...]


class DocumentStore:
    """Open documents by URI. Everything it gives out is immutable."""

    def __init__(self, workspace: Workspace, encoding: Encoding = DEFAULT_ENCODING) -> None:
        self.workspace = workspace
        self.encoding = encoding
        self._documents: dict[str, DocumentSnapshot] = {}

    def __len__(self) -> int:
        return len(self._documents)

    def __iter__(self) -> Iterator[DocumentSnapshot]:
        return iter(tuple(self._documents.values()))

    def get(self, uri: str) -> DocumentSnapshot | None:
        """The document as it is now; None where the client has not opened it."""
        return self._documents.get(uri)

    def open(self, uri: str, language: str, version: int, text: str) -> DocumentSnapshot:
        """Take a document; one that is open already is replaced, since the client's word counts."""
        if uri in self._documents:
            logger.warning("%s was opened twice without being closed", uri)
        path = self.workspace.shown_path(uri)
        document = DocumentSnapshot(uri, version, language, path, Text.of(without_surrogates(text)))
        self._documents[uri] = document
        return document

    def change(self, uri: str, version: int | None, changes: Sequence[WireChange]) -> Change | None:
        """Apply changes in their order; None, and a line in the log, where the document is not open."""
        before = self._documents.get(uri)
        if before is None:
            logger.warning("a change of %s, which is not open, was ignored", uri)
            return None
        if version is None or version <= before.version:
            # Some clients do not count. Everything behind us tells texts apart by their versions.
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

    def _edit(self, text: Text, change: WireChange) -> Edit | None:
        new = without_surrogates(change.text)
        if change.span is None:
            return difference(text, Text.of(new))
        start = self.from_wire(text, change.span[0])
        end = start if change.span[1] == change.span[0] else self.from_wire(text, change.span[1])
        return Edit(min(start, end), max(start, end), new)

    def close(self, uri: str) -> DocumentSnapshot | None:
        """Forget a document; None where it was not open."""
        return self._documents.pop(uri, None)

    def rename_paths(self) -> list[DocumentSnapshot]:
        """Name every document anew after the folders have changed; gives those with another path."""
        moved = []
        for uri, document in self._documents.items():
            path = self.workspace.shown_path(uri)
            if path != document.path:
                self._documents[uri] = replace(document, path=path)
                moved.append(self._documents[uri])
        return moved

    def from_wire(self, text: Text, position: WirePosition) -> Position:
        """A position as the client counts, clamped, in code points."""
        return from_wire(text, *position, self.encoding)

    def to_wire(self, text: Text, position: Position) -> WirePosition:
        """A position of the text as the client counts."""
        return to_wire(text, position, self.encoding)
