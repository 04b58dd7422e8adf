"""Provides the context in each document's prompts: searches when it may have changed, replaces it when that is cheap.

A prompt begins with its context, so each change of it makes the model process the whole prompt again. It therefore
changes only when the window around the cursor moves anyway, and then by appending.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from aix_lsp.backends.base import CorpusText
from aix_lsp.completion.context.index_client import IndexClient, Progress
from aix_lsp.completion.context.neighbours import Neighbours
from aix_lsp.completion.context.snippets import RecentPlaces, Snippet, Source, choose, keep
from aix_lsp.completion.privacy_checks import PrivacyChecks
from aix_lsp.completion.request import CompletionContext
from aix_lsp.completion.text import Change, DocumentSnapshot, OpenDocument, Position
from aix_lsp.fim.prompt import ContextFile
from aix_lsp.fim.reading import read, read_back
from aix_lsp.fim.window import Window
from aix_lsp.privacy.documents import PATIENCE_S, without_secrets
from aix_lsp.roots import ON_THE_LOOP_S, RootFinder
from aix_lsp.settings import Settings
from aix_lsp.uris import file_path

WAIT_S = 0.01
"""How long a request waits for a search. Later results are for the next request."""
_FULL = 0.75
"""The first choice takes this share of the budget, so that something can be appended before any of it is dropped."""
_FAR_LINES = 32
"""Results of a search around a line are used up to this far from it."""
_HEAD_LINES, _HEAD_CHARS, _BEFORE, _AFTER = 400, 16384, 4096, 2048
_MOST_COPIED = 4096
_SEARCHED: tuple[Source, ...] = ("imports", "siblings", "definitions", "similar")


@dataclass(slots=True)
class _State:
    """What is known for one document."""

    kept: tuple[Snippet, ...] = ()
    found: tuple[Snippet, ...] = ()
    taken: bool = False
    """Whether anything found has been used."""
    line: int | None = None
    """The line of the last search."""
    search: asyncio.Task[None] | None = None


class ContextProvider:
    """The contexts of one client's documents."""

    def __init__(
        self,
        roots: Callable[[], Sequence[Path]],
        privacy: PrivacyChecks,
        progress: Progress,
        open_document: OpenDocument,
    ) -> None:
        """`roots` returns the workspace folders; for `progress`, see IndexClient."""
        self.recent = RecentPlaces(open_document)
        self._roots = roots
        self._finder = RootFinder(ON_THE_LOOP_S)
        self._privacy = privacy
        self._index_client = IndexClient(progress, self._search_all_again)
        self._neighbours = Neighbours(self._place)
        self._states: dict[str, _State] = {}
        self._clipboard = ""

    # Events

    def edited(self, change: Change) -> None:
        """Record an edit."""
        self.recent.edited(change.after.uri, change.edits)

    def closed(self, uri: str, document: DocumentSnapshot | None = None) -> None:
        """Discard what was gathered for a document; `document` is its last state."""
        if document is not None:
            self.recent.closed(document)
        self._neighbours.closed(uri)
        state = self._states.pop(uri, None)
        if state is not None and state.search is not None:
            state.search.cancel()

    def files_changed(self, uris: Sequence[str]) -> None:
        """Have files that were written, created or deleted indexed again."""
        by_root: dict[Path, list[str]] = {}
        for root, path in filter(None, map(self._place, uris)):
            by_root.setdefault(root, []).append(path)
        for root, paths in by_root.items():
            self._index_client.changed(root, paths)

    def copied(self, text: str) -> None:
        """Record the clipboard's content as the client reports it, if it is lines of code rather than a password."""
        lines = [line for line in text.splitlines() if line.strip()]
        self._clipboard = text[:_MOST_COPIED] if len(lines) > 1 else ""

    async def close(self) -> None:
        """End all searches."""
        for uri in list(self._states):
            self.closed(uri)
        await self._neighbours.close()
        await self._index_client.close()

    # Requests

    def search_around(self, document: DocumentSnapshot, position: Position, settings: Settings) -> None:
        """Start a search around a cursor, unless there was one nearby. The document must be one that may be sent."""
        place = self._place(document.uri)
        sources = [source for source in _SEARCHED if _wanted(source, settings)]
        if place is None or not sources:
            return
        self._index_client.close_folders(but=self._roots())
        self._index_client.open(place[0], settings.exclude)
        state = self._states.setdefault(document.uri, _State())
        if state.search is None and (state.line is None or abs(position.line - state.line) >= _FAR_LINES):
            state.line = position.line
            query = {"path": place[1], "sources": sources, **_query(document, position)}
            state.search = asyncio.create_task(self._search(state, place[0], query))

    async def prepare(self, context: CompletionContext) -> None:
        """Search around a request's cursor, and wait briefly for the results."""
        self.recent.seen(context.request.document.uri, context.request_position.line)
        self.search_around(context.document, context.position, context.settings)
        state = self._states.get(context.document.uri)
        if state is not None and state.search is not None:
            await asyncio.wait({state.search}, timeout=WAIT_S)
        snippets = [*state.kept, *self._snippets(state, context)] if state is not None else []
        files = {snippet.uri for snippet in snippets if snippet.uri}
        if any(self._privacy.known(uri, context.settings) is None for uri in files):
            await self._privacy.fetch(files, context.settings)

    async def _search(self, state: _State, root: Path, query: Mapping[str, Any]) -> None:
        try:
            found = await self._index_client.gather(root, query)
        finally:
            state.search = None
        if found:
            state.found = tuple(
                Snippet(
                    **each | {"placeholders": tuple(each["placeholders"])}, uri=(root / each["path"]).as_uri()
                )
                for each in found
            )
        else:
            state.line = None  # the process has only just started

    def files(
        self, context: CompletionContext, window: Window, budget: int, moved: bool
    ) -> tuple[ContextFile, ...]:
        """The context of a prompt, in at most `budget` characters.

        `moved` says whether the model has to process the whole window again anyway.
        """
        if budget <= 0:
            return ()
        state = self._states.setdefault(context.document.uri, _State())
        allowed = tuple(snippet for snippet in state.kept if self._allowed(snippet, context.settings))
        first = bool(state.found) and not state.taken
        if moved or first or allowed != state.kept:
            found = [
                snippet
                for snippet in self._snippets(state, context)
                if self._allowed(snippet, context.settings)
            ]
            chosen = choose(found, window.prefix + window.middle + "\n" + window.suffix, int(budget * _FULL))
            state.kept = keep(allowed, chosen, budget)
            state.taken = bool(state.found)
        return tuple(ContextFile(snippet.path, snippet.text) for snippet in state.kept)

    def corpus(self, context: CompletionContext, window: Window) -> tuple[CorpusText, ...]:
        """The texts outside a window that an engine may recall from."""
        return self._neighbours.texts(context.document, window, context.position, context.settings)

    def placeholders(self, uri: str) -> tuple[str, ...]:
        """The placeholders for secrets in the context and corpus last given for a document."""
        state = self._states.get(uri)
        kept = (
            chain.from_iterable(snippet.placeholders for snippet in state.kept) if state is not None else ()
        )
        return tuple(dict.fromkeys((*kept, *self._neighbours.placeholders(uri))))

    def _snippets(self, state: _State, context: CompletionContext) -> list[Snippet]:
        snippets = [snippet for snippet in state.found if self._is_current(snippet)]
        snippets += self.recent.snippets(context.document)
        if self._clipboard:
            snippets.append(Snippet("clipboard", "clipboard", self._clipboard))
        return [snippet for snippet in snippets if _wanted(snippet.source, context.settings)]

    def _is_current(self, snippet: Snippet) -> bool:
        """Whether a chunk read from a file is also in the file as the editor has it."""
        document = self.recent.document(snippet.uri) if snippet.source == "similar" else None
        return document is None or snippet.text.split("\n")[0] in str(document.text)

    def _allowed(self, snippet: Snippet, settings: Settings) -> bool:
        return not snippet.uri or self._privacy.known(snippet.uri, settings) == ""

    def _search_all_again(self) -> None:
        for state in self._states.values():
            state.line = None

    def _place(self, uri: str) -> tuple[Path, str] | None:
        """The innermost workspace folder that contains a file, and the file's path relative to it."""
        file = file_path(uri)
        if file is None:
            return None
        found = self._finder.find(file, [root for root in self._roots() if _is_workspace(root)])
        return (found[0], found[1].as_posix()) if found is not None else None


def _query(document: DocumentSnapshot, position: Position) -> dict[str, str]:
    text, _ = without_secrets(document.text, document.language, *position, PATIENCE_S)
    return {
        "language": document.language,
        "head": "".join(text.lines(0, _HEAD_LINES))[:_HEAD_CHARS],
        "before": read_back(text, position, _BEFORE),
        "after": read(text, position, text.line_count, _AFTER),
    }


def _wanted(source: Source, settings: Settings) -> bool:
    return bool(getattr(settings, f"context_{source}"))


def _is_workspace(root: Path) -> bool:
    """Whether a folder is a project rather than the user's whole home folder."""
    home = Path.home()
    return root != home and root not in home.parents
