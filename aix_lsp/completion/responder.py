"""One request from start to final answer: reuses, joins or starts a generation, and passes on its text.

Keeps nothing between requests.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable

from aix_lsp.backends.base import Backend, BackendUnavailable
from aix_lsp.completion.candidates import SuggestionList
from aix_lsp.completion.context.provider import ContextProvider
from aix_lsp.completion.document_state import DocumentState
from aix_lsp.completion.generation import Generation
from aix_lsp.completion.generation_cache import GenerationCache, GenerationRef
from aix_lsp.completion.prompt import context_chars
from aix_lsp.completion.request import CompletionContext, PendingRequest, Update
from aix_lsp.completion.telemetry import Telemetry
from aix_lsp.machine import on_battery
from aix_lsp.settings import Settings

_LOOK_S = 0.05


class Responder:
    """Answers the requests of one client."""

    def __init__(
        self,
        backend: Backend,
        clock: Callable[[], float],
        cache: GenerationCache,
        context_provider: ContextProvider,
        telemetry: Telemetry,
    ) -> None:
        self._backend = backend
        self._clock = clock
        self._cache = cache
        self._context_provider = context_provider
        self._telemetry = telemetry

    async def updates(
        self, context: CompletionContext, pending: PendingRequest, state: DocumentState
    ) -> AsyncGenerator[Update, None]:
        """See CompletionService.suggest; `pending` is the request's waiting side."""
        ref = self._cache.find(context, state) or await self._begin(context, pending, state)
        pending.watch(ref.generation)
        state.drop_strays(keep=ref.generation)
        answer = SuggestionList(context, pending)
        while True:
            pending.check()
            anew = self._cache.fails(ref, context) and not pending.late
            if anew or await self._recovered(ref.generation, context, pending):
                ref = self._find_or_begin(context, state)
                pending.watch(ref.generation)
            done = ref.generation.finished or pending.late
            changed = answer.take(ref)
            if done:
                self._telemetry.answered(context, ref, answer.suggestions)
                if _prefetches(context.settings) and context.request.channel != "popup":
                    soon = asyncio.get_running_loop().call_soon
                    soon(self._cache.prefetch, context, ref, next(iter(answer.suggestions), None), state)
            if done or changed:
                yield Update(answer.suggestions, done)
                if done:
                    return
            else:
                await pending.wait(pending.deadline)

    async def _begin(
        self, context: CompletionContext, pending: PendingRequest, state: DocumentState
    ) -> GenerationRef:
        """Start a generation, after a pause where typing is fast."""
        if context.request.trigger == "automatic":
            longest = context.settings.wait_ms / 1000
            costly = bool(context.settings.url) or self._telemetry.unwelcome
            pause = state.debouncer.wait(self._cache.latency.value, longest, costly=costly)
            if pause:
                await pending.wait(min(self._clock() + pause, pending.deadline))
                pending.check()
        if takes_context(context.settings, self._backend):
            await self._context_provider.prepare(context)
            pending.check()
        return self._find_or_begin(context, state)

    def _find_or_begin(self, context: CompletionContext, state: DocumentState) -> GenerationRef:
        """Start a generation, unless another channel's request for the same key has done so meanwhile."""
        return self._cache.find(context, state) or self._cache.begin(context, state)

    async def _recovered(
        self, generation: Generation, context: CompletionContext, pending: PendingRequest
    ) -> bool:
        """Whether a backend that could not generate yet has become ready before the deadline.

        The popup does not wait: an editor shows none before every server has answered.
        """
        if not isinstance(generation.error, BackendUnavailable) or context.request.channel == "popup":
            return False
        waited = False
        while self._backend.status.state in ("starting", "loading") and not pending.late:
            waited = True
            await pending.wait(min(pending.deadline, self._clock() + _LOOK_S))
            pending.check()
        return waited and self._backend.status.state == "ready" and not pending.late


def _prefetches(settings: Settings) -> bool:
    """Whether to prefetch what follows a suggestion; a remote server's tokens may cost money."""
    if settings.battery_saver and on_battery():
        return False
    return settings.prefetch == "always" or (settings.prefetch == "auto" and not settings.url)


def takes_context(settings: Settings, backend: Backend) -> bool:
    """Whether other files are wanted in prompts."""
    return context_chars(settings, backend.status.model) > 0
