"""The entry point: from a document and a cursor to a stream of suggestions.

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
from aix_lsp.completion.context.index_client import Progress
from aix_lsp.completion.context.provider import ContextProvider
from aix_lsp.completion.document_state import DocumentState
from aix_lsp.completion.generation import Generation
from aix_lsp.completion.generation_cache import GenerationCache
from aix_lsp.completion.privacy_checks import PrivacyChecks
from aix_lsp.completion.request import (
    CompletionRequest,
    ContentModified,
    PendingRequest,
    Superseded,
    Update,
    completion_context,
)
from aix_lsp.completion.responder import Responder, takes_context
from aix_lsp.completion.telemetry import Telemetry
from aix_lsp.completion.text import Change, DocumentSnapshot, Position
from aix_lsp.privacy import known
from aix_lsp.privacy.documents import search_ahead
from aix_lsp.settings import Settings

log = logging.getLogger(__name__)

LINGER_S = 0.1
"""How long a cancelled request's generation waits for the next request if the user has typed text that agrees with
it: some editors send the change, then the cancellation, then the new request."""
STREAM_S = 15.0
"""A streaming request shows its text as it arrives, so it needs no deadline; this only ends one that hangs."""
_UNOPENED = 32
_SWITCHED_OFF = 'switched off by the setting "aix.enabled"'
NOTHING = Update((), done=True)


class CompletionService:
    """Suggestions for the documents of one client."""

    def __init__(
        self,
        backend: Backend,
        settings: Callable[[str], Settings],
        roots: Callable[[], Sequence[Path]] = tuple,
    ) -> None:
        """`settings` returns the effective settings of a language id, `roots` the workspace folders.

        Created on a running event loop and used only there.
        """
        self._backend = backend
        self._settings = settings
        self._clock = asyncio.get_running_loop().time
        self._privacy = PrivacyChecks(roots)
        self._scans: set[asyncio.Task[None]] = set()
        self._telemetry = Telemetry(self._open_document)
        self.inactive: Callable[[str], None] = lambda reason: None
        """Called at each request with the reason why its document gets no suggestions; "" if it gets them."""
        self.indexing: Progress = lambda root, done, of: None
        """Called with the progress of indexing a workspace folder: the numbers of files done and of all files."""
        self._context_provider = ContextProvider(
            roots, self._privacy, lambda *progress: self.indexing(*progress), self._open_document
        )
        self._cache = GenerationCache(
            backend,
            self._clock,
            self._telemetry.generated,
            self._telemetry.has_read_ahead,
            self._context_provider,
            self._telemetry.unreported,
        )
        self._responder = Responder(
            backend, self._clock, self._cache, self._context_provider, self._telemetry
        )
        self._documents: dict[str, DocumentState] = {}
        self._opened: set[str] = set()

    # Requests

    def suggest(self, request: CompletionRequest) -> AsyncGenerator[Update, None]:
        """Suggestions for a request, as cumulative updates. Only the last is `done`; it comes by the deadline.

        With a selected popup entry, the suggestions are what comes after its text. Raises Superseded if a newer
        request of the same document and channel arrives, ContentModified if an edit makes the answer useless. Closing
        the iterator before its last update cancels.
        """
        settings = self._settings(request.document.language)
        state = self._document_state(request.document.uri)
        pending = PendingRequest(
            request, self._clock, STREAM_S if request.channel == "stream" else settings.deadline_ms / 1000
        )
        older = state.pending_requests.get(request.channel)
        if older is not None:
            older.supersede()
        state.pending_requests[request.channel] = pending
        return self._answer(request, pending, settings, state)

    async def _answer(
        self, request: CompletionRequest, pending: PendingRequest, settings: Settings, state: DocumentState
    ) -> AsyncGenerator[Update, None]:
        ended = False
        try:
            pending.check()
            typed = state.typed_before(request.position)
            context = completion_context(request, settings, self._backend.status.model, typed)
            reason = await self._reason(request.document.uri, settings)
            self.inactive(reason)
            if reason or context is None:
                ended = True
                yield NOTHING
                return
            await search_ahead(request.document.text, request.document.language, *request.position)
            pending.check()
            async with aclosing(self._responder.updates(context, pending, state)) as updates:
                async for update in updates:
                    ended = update.done
                    yield update
        except (Superseded, ContentModified):
            ended = True
            raise
        except Exception:
            log.exception("a suggestion failed unexpectedly")
            if not ended:
                ended = True
                yield NOTHING
        finally:
            pending.leave()
            if state.pending_requests.get(request.channel) is pending:
                del state.pending_requests[request.channel]
            if not ended:
                self._abandon(pending.generation)

    def _abandon(self, generation: Generation | None) -> None:
        """The client has cancelled: end the generation, unless others watch it or the next request is about to come."""
        if generation is None or generation.watchers:
            return
        if not generation.typed_along:
            generation.cancel()
            return
        loop = asyncio.get_running_loop()
        loop.call_later(LINGER_S, _cancel_unwatched, generation)

    def inactive_reason(self, uri: str, language: str) -> str | None:
        """Why a document gets no suggestions, in words for the user; "" if it gets them.

        None if that is not known yet, since files are checked on threads; a request finds out.
        """
        settings = self._settings(language)
        return self._privacy.known(uri, settings, fresh=True) if settings.enabled else _SWITCHED_OFF

    async def _reason(self, uri: str, settings: Settings) -> str:
        return await self._privacy.reason(uri, settings) if settings.enabled else _SWITCHED_OFF

    # Documents

    def document_opened(self, snapshot: DocumentSnapshot) -> None:
        """Start tracking a document."""
        self._drop(snapshot.uri)
        self._opened.add(snapshot.uri)
        self._document_state(snapshot.uri).latest = snapshot
        settings = self._settings(snapshot.language)
        wanted = takes_context(settings, self._backend)
        if settings.enabled:
            scan = asyncio.create_task(self._scan_opened(snapshot, settings, wanted))
            self._scans.add(scan)
            scan.add_done_callback(self._scans.discard)

    async def _scan_opened(self, snapshot: DocumentSnapshot, settings: Settings, wanted: bool) -> None:
        """Scan a newly opened document for secrets, and search for its context if that is `wanted`."""
        forbidden = await self._reason(snapshot.uri, settings)
        if forbidden:
            return
        await search_ahead(snapshot.text, snapshot.language, 0)
        if wanted and snapshot.uri in self._opened:
            self._context_provider.search_around(snapshot, Position(0, 0), settings)

    def document_changed(self, change: Change) -> None:
        """Apply an edit: a generation that agrees with the new text continues, any other ends now."""
        state = self._document_state(change.after.uri)
        state.debouncer.typed(self._clock())
        self._context_provider.edited(change)
        try:
            if change.edits:
                known.note(change.before.text, change.before.language, *change.edits[0].start)
            state.change(change)
        except Exception:
            log.exception("an edit could not be followed")
            state.cancel_all()

    def document_closed(self, uri: str) -> None:
        """Forget a document and end its generations."""
        self._opened.discard(uri)
        self._drop(uri)

    def files_changed(self, uris: Sequence[str]) -> None:
        """Record that files were written, created or deleted, in an editor or elsewhere."""
        self._context_provider.files_changed(uris)

    def copied(self, text: str) -> None:
        """Record what the user copied, if the client reports it; see the setting `contextClipboard`."""
        if self._settings("").context_clipboard:
            self._context_provider.copied(text)

    async def stop_searching(self) -> None:
        """Stop searching other files for context."""
        await self._context_provider.close()

    def _drop(self, uri: str) -> None:
        self._telemetry.check_retention(uri)
        state = self._documents.pop(uri, None)
        if state is not None:
            state.close()
        self._cache.forget(uri)
        self._context_provider.closed(uri, state.latest if state is not None else None)

    def _document_state(self, uri: str) -> DocumentState:
        state = self._documents.get(uri)
        if state is None:
            idle = [
                other for other, state in self._documents.items() if other not in self._opened and state.idle
            ]
            for other in idle[:-_UNOPENED]:
                self._documents.pop(other).close()
            state = self._documents[uri] = DocumentState()
        return state

    # Feedback and upkeep

    def feedback(self, suggestion_id: str, event: str, accepted_chars: int = 0) -> None:
        """Record what became of a suggestion: "shown", "accepted", "partly" (`accepted_chars` of it) or "rejected"."""
        self._telemetry.feedback(suggestion_id, event, accepted_chars)

    def statistics(self) -> dict[str, Any]:
        """The counts of this session (see telemetry.py), and the number of running generations."""
        return self._telemetry.session() | {"under_way": self._cache.under_way}

    def clear(self) -> None:
        """Forget all finished generations."""
        self._cache.clear()

    async def close(self) -> None:
        """End everything that is running, and save the statistics."""
        self._telemetry.check_retention()
        for state in self._documents.values():
            state.close()
        for scan in self._scans:
            scan.cancel()
        await asyncio.gather(*self._scans, return_exceptions=True)
        await self._privacy.close()
        await self._cache.close()
        for state in self._documents.values():
            await state.read_ahead.ended()
        await self._context_provider.close()
        await self._telemetry.close()

    def _open_document(self, uri: str) -> DocumentSnapshot | None:
        state = self._documents.get(uri)
        return state.latest if state is not None else None


def _cancel_unwatched(generation: Generation) -> None:
    if not generation.watchers:
        generation.cancel()
