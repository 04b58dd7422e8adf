"""From a document and a cursor to a stream of suggestions: reuse, re-attachment, or a new generation.

Knows no LSP, no tokens and no sockets. Runs on one event loop.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

from aix_lsp.backends.base import Backend
from aix_lsp.completion.answering import NOTHING, Answering, takes_context
from aix_lsp.completion.asking import Asking
from aix_lsp.completion.context.gathering import Gathering
from aix_lsp.completion.context.searcher import Progress
from aix_lsp.completion.document import DocumentSnapshot, Edit, Position, Text
from aix_lsp.completion.generation import Generation
from aix_lsp.completion.ledger import Ledger
from aix_lsp.completion.live import LiveDocument
from aix_lsp.completion.privacy import Privacy
from aix_lsp.completion.sources import Sources
from aix_lsp.completion.suggestion import Ask, ContentModified, Superseded, Update
from aix_lsp.settings import Settings

log = logging.getLogger(__name__)

LINGER_S = 0.1
"""How long a cancelled ask's generation waits for the next ask, where text was typed along meanwhile: some
editors send the change, then the cancellation, then the new request."""
STREAM_S = 15.0
"""A streaming ask shows its text as it comes: no deadline has to cut it, this only ends one that hangs."""
_UNOPENED = 32


class CompletionService:
    """Suggestions for the documents of one client."""

    def __init__(
        self,
        backend: Backend,
        settings: Callable[[str], Settings],
        roots: Callable[[], Sequence[Path]] = tuple,
    ) -> None:
        """`settings` gives the effective settings of a language id, `roots` the workspace folders.

        Made on a running event loop, and used on that only.
        """
        self._backend = backend
        self._settings = settings
        self._clock = asyncio.get_running_loop().time
        self._privacy = Privacy(roots)
        self._ledger = Ledger(self._latest)
        self.indexing: Progress = lambda root, done, of: None
        """Told of a workspace folder that is being indexed, and how many of how many files are."""
        self._gathering = Gathering(roots, self._privacy, lambda *progress: self.indexing(*progress))
        self._sources = Sources(backend, self._clock, self._ledger.generated, self._gathering)
        self._answering = Answering(backend, self._clock, self._sources, self._gathering, self._ledger)
        self._live: dict[str, LiveDocument] = {}
        self._opened: set[str] = set()

    # Asking

    def suggest(self, ask: Ask) -> AsyncGenerator[Update, None]:
        """Suggestions for an ask, each update cumulative; exactly one, the last, is `done`, by the deadline.

        With a selected popup entry, the suggestions are what comes after its text. Raises Superseded where a
        newer ask of the same document and channel comes, ContentModified where an edit made the answer
        useless. Closing the iterator before its last update cancels.
        """
        settings = self._settings(ask.document.language)
        live = self._live_document(ask.document.uri)
        asking = Asking(
            ask, self._clock, STREAM_S if ask.channel == "stream" else settings.deadline_ms / 1000
        )
        older = live.asks.get(ask.channel)
        if older is not None:
            older.supersede()
        live.asks[ask.channel] = asking
        return self._answer(ask, asking, settings, live)

    async def _answer(
        self, ask: Ask, asking: Asking, settings: Settings, live: LiveDocument
    ) -> AsyncGenerator[Update, None]:
        ended = False
        try:
            asking.check()
            if self.inactive_reason(ask.document.uri, ask.document.language) is not None:
                ended = True
                yield NOTHING
                return
            async with aclosing(self._answering.updates(ask, asking, settings, live)) as updates:
                async for update in updates:
                    ended = update.done
                    yield update
        except (Superseded, ContentModified):
            ended = True
            raise
        except Exception:
            log.exception("a suggestion failed in an unforeseen way")
            if not ended:
                ended = True
                yield NOTHING
        finally:
            asking.leave()
            if live.asks.get(ask.channel) is asking:
                del live.asks[ask.channel]
            if not ended:
                self._abandon(asking.generation)

    def _abandon(self, generation: Generation | None) -> None:
        """The client cancelled: end the generation, unless others watch it or its next ask is on its way."""
        if generation is None or generation.watchers:
            return
        if not generation.typed_along:
            generation.cancel()
            return
        loop = asyncio.get_running_loop()
        loop.call_later(LINGER_S, _cancel_unwatched, generation)

    def inactive_reason(self, uri: str, language: str) -> str | None:
        """Why there are no suggestions in a document, for its user to read; None where there are."""
        settings = self._settings(language)
        if not settings.enabled:
            return 'switched off by the setting "aix.enabled"'
        return self._privacy.inactive_reason(uri, settings)

    # Documents

    def document_opened(self, snapshot: DocumentSnapshot) -> None:
        """Take note of a document that will be edited."""
        self._drop(snapshot.uri)
        self._opened.add(snapshot.uri)
        self._live_document(snapshot.uri).open(snapshot)
        settings = self._settings(snapshot.language)
        if takes_context(settings, self._backend):
            self._gathering.look(snapshot, Position(0, 0), settings)

    def document_changed(
        self, before: DocumentSnapshot, after: DocumentSnapshot, edits: Sequence[Edit]
    ) -> None:
        """Follow an edit: a generation that the new text goes along with goes on, any other ends now."""
        live = self._live_document(after.uri)
        live.rhythm.typed(self._clock())
        self._gathering.edited(after, edits)
        try:
            live.change(before, after, edits)
        except Exception:
            log.exception("an edit could not be followed")
            live.cancel_all()

    def document_closed(self, uri: str) -> None:
        """Forget a document, and end what is generated for it."""
        self._opened.discard(uri)
        self._drop(uri)

    def files_changed(self, uris: Sequence[str]) -> None:
        """Take note of files that were written, made or deleted, in an editor or elsewhere."""
        self._gathering.files_changed(uris)

    def copied(self, text: str) -> None:
        """Take what the user has copied, where the client tells it; see the setting `contextClipboard`."""
        if self._settings("").context_clipboard:
            self._gathering.copied(text)

    async def stop_searching(self) -> None:
        """Look for no context in other files any more."""
        await self._gathering.close()

    def _drop(self, uri: str) -> None:
        self._ledger.look_again(uri)
        live = self._live.pop(uri, None)
        if live is not None:
            live.cancel_all()
        self._sources.forget(uri)
        self._gathering.closed(uri)

    def _live_document(self, uri: str) -> LiveDocument:
        live = self._live.get(uri)
        if live is None:
            idle = [other for other, state in self._live.items() if other not in self._opened and state.idle]
            for other in idle[:-_UNOPENED]:
                del self._live[other]
            live = self._live[uri] = LiveDocument()
        return live

    # Feedback and upkeep

    def feedback(self, suggestion_id: str, event: str, accepted_chars: int = 0) -> None:
        """What became of a suggestion: "shown", "accepted", "partly" (with its characters) or "rejected"."""
        self._ledger.feedback(suggestion_id, event, accepted_chars)

    def statistics(self) -> dict[str, Any]:
        """The figures of this session, see completion/figures.py, and how many generations are under way."""
        return self._ledger.session() | {"under_way": self._sources.under_way}

    def clear(self) -> None:
        """Forget every finished generation."""
        self._sources.clear()

    async def close(self) -> None:
        """End everything that runs, and save the statistics."""
        self._ledger.look_again()
        for live in self._live.values():
            live.cancel_all()
        await self._sources.close()
        await self._gathering.close()
        await self._ledger.close()

    def _latest(self, uri: str) -> Text | None:
        live = self._live.get(uri)
        return live.text if live is not None else None


def _cancel_unwatched(generation: Generation) -> None:
    if not generation.watchers:
        generation.cancel()
