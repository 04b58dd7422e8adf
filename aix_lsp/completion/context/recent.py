"""Tracks where a client's user recently edited or requested suggestions. Reads no files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from aix_lsp.completion.context.ranking import Snippet
from aix_lsp.completion.text import DocumentSnapshot, Edit, OpenDocument
from aix_lsp.languages import related
from aix_lsp.privacy.documents import PATIENCE_S, without_secrets

_PLACES = 16
_NEAR_LINES = 16
"""Places closer together than this count as one."""
_ABOVE, _LINES = 12, 24
_MOST = 4
_KEPT_LINES = 5000


@dataclass(slots=True)
class _Place:
    uri: str
    line: int


class RecentPlaces:
    """The last places, and the texts of those documents that have been closed."""

    def __init__(self, open_document: OpenDocument) -> None:
        self._open_document = open_document
        self._closed: dict[str, DocumentSnapshot] = {}
        self._places: list[_Place] = []

    def document(self, uri: str) -> DocumentSnapshot | None:
        """A document's last state; None if it is neither open nor has a place."""
        return self._open_document(uri) or self._closed.get(uri)

    def edited(self, uri: str, edits: Sequence[Edit]) -> None:
        """Record an edit; places below it move with their lines."""
        for edit in edits:
            more = edit.text.count("\n") - (edit.end.line - edit.start.line)
            for place in self._places if more else ():
                if place.uri == uri and place.line > edit.start.line:
                    place.line = max(place.line + more, edit.start.line)
            self.seen(uri, edit.start.line)

    def seen(self, uri: str, line: int) -> None:
        """Record the cursor's line."""
        apart = [p for p in self._places if p.uri != uri or abs(p.line - line) > _NEAR_LINES]
        self._places = [_Place(uri, line), *apart][:_PLACES]
        self._keep_closed(self._closed.values())

    def closed(self, document: DocumentSnapshot) -> None:
        """Keep a closed document's last state for its places, unless it is large."""
        if document.text.line_count <= _KEPT_LINES:
            self._keep_closed((*self._closed.values(), document))

    def _keep_closed(self, documents: Iterable[DocumentSnapshot]) -> None:
        with_places = {place.uri for place in self._places}
        self._closed = {each.uri: each for each in documents if each.uri in with_places}

    def snippets(self, document: DocumentSnapshot) -> Iterator[Snippet]:
        """The text around the last places in other documents of a language related to `document`'s."""
        rank = 0
        for place in self._places:
            other = self.document(place.uri)
            if other is None or place.uri == document.uri or not related(other.language, document.language):
                continue
            text = _around(other, place.line)
            if text and rank < _MOST:
                yield Snippet("recent", other.path, text, place.uri, rank)
                rank += 1


def _around(document: DocumentSnapshot, line: int) -> str:
    """Some lines around a line, starting at a definition if one begins nearby."""
    line = min(line, document.text.line_count - 1)
    # The column where the line ends: what was typed there may be unfinished.
    column = len(_content(document.text.line(line)))
    text, _ = without_secrets(document.text, document.language, line, column, PATIENCE_S)
    start = first = max(0, line - _ABOVE)
    for at in range(line, first - 1, -1):
        if at and text.line(at).strip() and not text.line(at)[0].isspace() and not text.line(at - 1).strip():
            start = at
            break
    lines = [_content(text.line(at)) for at in range(start, min(start + _LINES, text.line_count))]
    return "\n".join(lines).strip("\n")


def _content(line: str) -> str:
    return line.rstrip("\r\n")[:500]
