"""Snippets of other files for a prompt: which are chosen, and those around the user's last places. Reads no files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from aix_lsp.completion.text import DocumentSnapshot, Edit, OpenDocument
from aix_lsp.languages import related
from aix_lsp.privacy.documents import PATIENCE_S, without_secrets

Source = Literal["imports", "siblings", "definitions", "similar", "recent", "clipboard"]
SOURCES: tuple[Source, ...] = get_args(Source)
"""All sources, sorted by how much their results change while the user works in a file, the steadiest first."""

WEIGHTS: dict[Source, float] = {
    "similar": 1.0,
    "clipboard": 1.0,
    "recent": 0.8,
    "imports": 0.7,
    "definitions": 0.5,
    "siblings": 0.3,
}
"""How much the best snippet of a source is worth. Chosen by `python -m benchmarks.context_coverage`, whose result
depends little on them as long as similar code comes first, with a few signatures added."""
_DECAY = 0.8
"""A snippet is worth this share of the one before it in its source."""
_MOST_REPEATED = 0.5
"""A snippet with a larger share of its lines in the text at the cursor would make the model repeat that text."""
_MOST_ALIKE = 0.7
"""A snippet with a larger share of its lines in those chosen before it adds nothing new."""
_SHORTEST_LINE = 4
"""Characters of a line that carries information; closing brackets do not."""
_HEADER = 40
"""Characters that a path and its markers take, about."""
_PLACES = 16
_NEAR_LINES = 16
"""Places closer together than this count as one."""
_ABOVE, _LINES = 12, 24
_MOST = 4
_KEPT_LINES = 5000


@dataclass(frozen=True, slots=True)
class Snippet:
    """Some lines of a file, either code or signatures only."""

    source: Source
    path: str
    """The path that the model sees: relative to the workspace folder, never absolute."""
    text: str
    uri: str = ""
    """The file it comes from; empty if it does not come from a file."""
    rank: int = 0
    """Its rank among the source's results, 0 for the best."""
    placeholders: tuple[str, ...] = ()
    """The placeholders for its secrets, if they are known."""


def choose(snippets: Iterable[Snippet], window: str, budget: int) -> list[Snippet]:
    """The most valuable snippets within `budget` characters; those that change least come first.

    `window` is the part of the document that is in the prompt.
    """
    here, present = _lines(window), set[str]()
    chosen: list[Snippet] = []
    for snippet in sorted(snippets, key=_worth, reverse=True):
        lines = _lines(snippet.text)
        if size(snippet) > budget or not lines:
            continue
        if _share(lines, here) > _MOST_REPEATED or _share(lines, present) > _MOST_ALIKE:
            continue
        chosen.append(snippet)
        present |= lines
        budget -= size(snippet)
    return sorted(chosen, key=lambda snippet: (SOURCES.index(snippet.source), -snippet.rank))


def keep(kept: Sequence[Snippet], chosen: Sequence[Snippet], budget: int) -> tuple[Snippet, ...]:
    """The snippets of the next prompt: those of the last one, followed by new ones, so that most of them are cached.

    If those exceed `budget` characters, all that were not chosen again are dropped at once.
    """
    known = {snippet.text for snippet in kept}
    new = [snippet for snippet in chosen if snippet.text not in known]
    if sum(map(size, (*kept, *new))) <= budget:
        return (*kept, *new)
    wanted = {snippet.text for snippet in chosen}
    return (*(snippet for snippet in kept if snippet.text in wanted), *new)


def size(snippet: Snippet) -> int:
    """The number of characters that a snippet takes in a prompt."""
    return len(snippet.text) + len(snippet.path) + _HEADER


def _worth(snippet: Snippet) -> float:
    return WEIGHTS[snippet.source] * _DECAY**snippet.rank


def _lines(text: str) -> set[str]:
    return {line for line in map(str.strip, text.split("\n")) if len(line) >= _SHORTEST_LINE}


def _share(lines: set[str], others: set[str]) -> float:
    return len(lines & others) / len(lines)


@dataclass(slots=True)
class _Place:
    uri: str
    line: int


class RecentPlaces:
    """Where the user last edited or requested suggestions, and the texts of those documents that have been closed."""

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
