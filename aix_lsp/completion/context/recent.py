"""Where somebody has lately edited, or asked for a suggestion, in documents of one client. Reads no files."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from aix_lsp.completion.context.ranking import Snippet
from aix_lsp.completion.text import DocumentSnapshot, Edit
from aix_lsp.languages import related

_PLACES, _DOCUMENTS = 16, 32
_NEAR_LINES = 16
"""Places nearer to each other are one."""
_ABOVE, _LINES = 12, 24
_MOST = 4
_KEPT_LINES = 5000


@dataclass(slots=True)
class _Place:
    uri: str
    line: int


class RecentPlaces:
    """The last places, and the documents that they are in as they were last."""

    def __init__(self) -> None:
        self._documents: OrderedDict[str, DocumentSnapshot] = OrderedDict()
        self._places: list[_Place] = []

    def document(self, uri: str) -> DocumentSnapshot | None:
        """A document as it was last; None where it was not lately looked at."""
        return self._documents.get(uri)

    def opened(self, document: DocumentSnapshot) -> None:
        """Take note of a document."""
        self._documents[document.uri] = document
        self._documents.move_to_end(document.uri)
        if len(self._documents) > _DOCUMENTS:
            gone, _ = self._documents.popitem(last=False)
            self._places = [place for place in self._places if place.uri != gone]

    def edited(self, after: DocumentSnapshot, edits: Sequence[Edit]) -> None:
        """Take note of an edit; places below it move with their lines."""
        self.opened(after)
        for edit in edits:
            more = edit.text.count("\n") - (edit.end.line - edit.start.line)
            for place in self._places if more else ():
                if place.uri == after.uri and place.line > edit.start.line:
                    place.line = max(place.line + more, edit.start.line)
            self._note(after.uri, edit.start.line)

    def seen(self, document: DocumentSnapshot, line: int) -> None:
        """Take note of the cursor's line."""
        self.opened(document)
        self._note(document.uri, line)

    def closed(self, uri: str) -> None:
        """A document's last state is kept for its places, unless it is large."""
        document = self._documents.get(uri)
        if document is not None and document.text.line_count > _KEPT_LINES:
            del self._documents[uri]

    def snippets(self, document: DocumentSnapshot) -> Iterator[Snippet]:
        """What stands around the last places in other documents that have to do with `document`."""
        rank = 0
        for place in self._places:
            other = self._documents.get(place.uri)
            if other is None or place.uri == document.uri or not related(other.language, document.language):
                continue
            text = _around(other, place.line)
            if text and rank < _MOST:
                yield Snippet("recent", other.path, text, place.uri, rank)
                rank += 1

    def _note(self, uri: str, line: int) -> None:
        apart = [p for p in self._places if p.uri != uri or abs(p.line - line) > _NEAR_LINES]
        self._places = [_Place(uri, line), *apart][:_PLACES]


def _around(document: DocumentSnapshot, line: int) -> str:
    """Some lines around a line, from where something begins where that is near."""
    text = document.text
    line = min(line, text.line_count - 1)
    start = first = max(0, line - _ABOVE)
    for at in range(line, first - 1, -1):
        if at and text.line(at).strip() and not text.line(at)[0].isspace() and not text.line(at - 1).strip():
            start = at
            break
    lines = [_content(text.line(at)) for at in range(start, min(start + _LINES, text.line_count))]
    return "\n".join(lines).strip("\n")


def _content(line: str) -> str:
    return line.rstrip("\r\n")[:500]
