"""How much of an accepted suggestion is still there some time later: the characters that were really kept."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from cachetools import LRUCache

from aix_lsp.completion.document import Position, Text

CHECK_AFTER_S = 30.0
_NEAR_LINES = 50

Report = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class _Insertion:
    uri: str
    line: int
    text: str


class Retention:
    """Looks again at places where suggestions were accepted."""

    def __init__(self, latest: Callable[[str], Text | None], report: Report) -> None:
        """`latest` gives an open document's text; `report` takes characters inserted, and kept."""
        self._latest = latest
        self._report = report
        self._given: LRUCache[str, _Insertion] = LRUCache(512)
        self._due: dict[_Insertion, asyncio.TimerHandle] = {}

    def given(self, suggestion_id: str, uri: str, position: Position, text: str) -> None:
        """Remember what a client may accept."""
        self._given[suggestion_id] = _Insertion(uri, position.line, text)

    def accepted(self, suggestion_id: str) -> None:
        """Look at the place again in a while."""
        insertion = self._given.pop(suggestion_id, None)
        if insertion is not None and insertion not in self._due:
            loop = asyncio.get_running_loop()
            self._due[insertion] = loop.call_later(CHECK_AFTER_S, self._check, insertion)

    def check(self, uri: str | None = None) -> None:
        """Look now, before a document is closed; without `uri`, at all of them."""
        for insertion, timer in list(self._due.items()):
            if uri in (None, insertion.uri):
                timer.cancel()
                self._check(insertion)

    def _check(self, insertion: _Insertion) -> None:
        self._due.pop(insertion, None)
        text = self._latest(insertion.uri)
        if text is not None:
            self._report(*retained(insertion.text, text, insertion.line))


def retained(inserted: str, text: Text, line: int) -> tuple[int, int]:
    """Characters of the lines of `inserted`, and of those that stand near `line` still as they were."""
    snippets = [snippet.strip() for snippet in inserted.splitlines() if snippet.strip()]
    stop = line + len(snippets) + _NEAR_LINES
    near = [there[:10_000] for there in text.lines(max(0, line - _NEAR_LINES), stop)]
    kept = sum(len(snippet) for snippet in snippets if any(snippet in there for there in near))
    return sum(map(len, snippets)), kept
