"""Takes one request from start to final answer: reuses, joins or starts a generation, and makes suggestions of it.

Then prefetches what would follow. Keeps no state between requests.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from dataclasses import replace

from aix_lsp.backends.base import Backend, BackendUnavailable
from aix_lsp.completion.context.provider import ContextProvider
from aix_lsp.completion.cursor import CursorContext, with_ending
from aix_lsp.completion.document_state import DocumentState
from aix_lsp.completion.generation import Generation, Track
from aix_lsp.completion.generation_cache import GenerationCache, GenerationRef
from aix_lsp.completion.postprocess import pipeline
from aix_lsp.completion.prompt import context_chars
from aix_lsp.completion.request import (
    CompletionContext,
    CompletionRequest,
    ContentModified,
    PendingRequest,
    SelectedCompletion,
    Suggestion,
    Update,
    completion_context,
)
from aix_lsp.completion.telemetry import Telemetry
from aix_lsp.fim.block import opens_block
from aix_lsp.fim.reading import normalise
from aix_lsp.languages import language_of
from aix_lsp.machine import on_battery
from aix_lsp.settings import Settings

_CHECK_EVERY_S = 0.05
_LIKELY = 0.1
"""Less likely suggestions are rarely accepted whole (in the replay 1 of 20; likelier ones, 1 of 4)."""


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
        """See CompletionService.suggest. `pending` is the request's waiting side."""
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
                soon = asyncio.get_running_loop().call_soon
                soon(self._go_on, context, ref, next(iter(answer.suggestions), None), state)
            if done or changed:
                yield Update(answer.suggestions, done)
                if done:
                    return
            else:
                await pending.wait(pending.deadline)

    async def _begin(
        self, context: CompletionContext, pending: PendingRequest, state: DocumentState
    ) -> GenerationRef:
        """Start a generation, after a pause if the user types fast."""
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
        """Start a generation, unless a request of another channel has started it meanwhile."""
        return self._cache.find(context, state) or self._cache.begin(context, state)

    async def _recovered(
        self, generation: Generation, context: CompletionContext, pending: PendingRequest
    ) -> bool:
        """Whether a backend that was not ready to generate has become ready before the deadline.

        The popup does not wait: an editor shows none before every server has answered.
        """
        if not isinstance(generation.error, BackendUnavailable) or context.request.channel == "popup":
            return False
        waited = False
        while self._backend.status.state in ("starting", "loading") and not pending.late:
            waited = True
            await pending.wait(min(pending.deadline, self._clock() + _CHECK_EVERY_S))
            pending.check()
        return waited and self._backend.status.state == "ready" and not pending.late

    def _go_on(
        self,
        context: CompletionContext,
        ref: GenerationRef,
        suggestion: Suggestion | None,
        state: DocumentState,
    ) -> None:
        """Use the time until the next request; `suggestion` is the best one just given."""
        if state.closed or not _prefetches(context.settings):
            return
        if context.request.channel != "popup":
            self._prefetch(context, ref, suggestion, state)
        self._cache.read_ahead(context, state)

    def _prefetch(
        self,
        context: CompletionContext,
        ref: GenerationRef,
        suggestion: Suggestion | None,
        state: DocumentState,
    ) -> None:
        """Generate what follows a suggestion just given, at the lowest priority, while the user reads it.

        If there was nothing to suggest because the line had ended, generate the next line.
        """
        generation = ref.generation
        if not generation.complete:
            return
        if suggestion is not None:
            track = generation.tracks[int(suggestion.id.rpartition(".")[2])]
            request = _after_acceptance(context, suggestion, track)
        else:
            request = _after_line_break(context, ref.typed, generation.tracks[0])
        if request is None:
            return
        further = completion_context(request, context.settings, self._backend.status.model)
        if further is not None and self._cache.find(further, state) is None:
            with suppress(ContentModified):
                self._cache.begin(further, state, prefetched_for=generation)


def takes_context(settings: Settings, backend: Backend) -> bool:
    """Whether prompts contain context from other files."""
    return context_chars(settings, backend.status.model) > 0


class SuggestionList:
    """The suggestions for a request, as they grow."""

    def __init__(self, context: CompletionContext, pending: PendingRequest) -> None:
        self.suggestions: tuple[Suggestion, ...] = ()
        self._context = context
        self._pending = pending
        self._first_ms = 0.0

    def take(self, ref: GenerationRef) -> bool:
        """Update from the generation; returns whether a text has changed."""
        found = suggestions_in(ref, self._context.cursor)[: self._context.candidates]
        elapsed_ms = self._pending.elapsed_ms
        if found and not self._first_ms:
            self._first_ms = elapsed_ms
        old = [(each.text, each.replace_right) for each in self.suggestions]
        self.suggestions = tuple(
            replace(each, first_text_ms=self._first_ms, total_ms=elapsed_ms) for each in found
        )
        return old != [(each.text, each.replace_right) for each in found]


def suggestions_in(ref: GenerationRef, cursor: CursorContext) -> list[Suggestion]:
    """The distinct texts that are left of a generation after what has been typed, for `cursor`; best first.

    While it grows, the word being written is held back, since it may be removed at the end. Once it has ended, those
    with the fewest syntax errors come first; then the first track, of the lowest temperature; then the likeliest.
    """
    generation, reused = ref.generation, ref.origin == "reused"
    found: dict[str, Suggestion] = {}
    for index, track in enumerate(generation.tracks):
        text = track.rest(ref.typed)
        if not track.stopped:
            text = pipeline.whole_words(text)
        fitted = pipeline.fit(text, cursor)
        if fitted.text.strip():
            suggestion = Suggestion(
                id=f"{generation.name}.{index}",
                text=with_ending(fitted.text, cursor.ending),
                replace_right=fitted.replace_right,
                source="reuse" if reused else "model",
                prompt_tokens=0 if reused else generation.usage.prompt_tokens,
                reused_tokens=0 if reused else generation.usage.cached_tokens,
                completion_tokens=0 if reused else generation.completion_tokens,
                mean_logprob=track.mean_logprob,
            )
            found.setdefault("".join(suggestion.text.split()), suggestion)
    judged = len(found) > 1 and generation.finished

    def rank(each: Suggestion) -> tuple[int, bool, float]:
        errors = pipeline.syntax_errors(each.text, each.replace_right, cursor) if judged else 0
        return errors, each.id != f"{generation.name}.0", -(each.mean_logprob or 0.0)

    return sorted(found.values(), key=rank)


def _prefetches(settings: Settings) -> bool:
    """Whether to prefetch what follows a suggestion; a remote server's tokens may cost money."""
    if settings.battery_saver and on_battery():
        return False
    return settings.prefetch == "always" or (settings.prefetch == "auto" and not settings.url)


def _after_acceptance(
    context: CompletionContext, suggestion: Suggestion, track: Track
) -> CompletionRequest | None:
    """The request to expect when `suggestion`, from `track`, is accepted; None if that is unlikely.

    If the model ended its line, the next request comes on a new line, which the editor indents like that one; after a
    line that opens a block, it comes at once.
    """
    if not _likely(track):
        return None
    line = (context.cursor.line_before + normalise(suggestion.text)).rpartition("\n")[2]
    if _ended(context, track) and not opens_block(line, language_of(context.cursor.language)):
        return _below(context, suggestion.text, suggestion.replace_right, line)
    return _after(context, suggestion.text, suggestion.replace_right)


def _after_line_break(context: CompletionContext, typed: str, track: Track) -> CompletionRequest | None:
    """The request to expect when the line is broken; None if `track` does not end the line at the cursor.

    `typed` is how much of the track was typed: a user who agreed with it to the end of the line goes on below.
    """
    wrote_more = not track.raw.startswith(typed) or track.raw[len(typed) :].strip()
    if wrote_more or not _ended(context, track) or not (typed or _likely(track)):
        return None
    return _below(context, "", 0, context.cursor.line_before) if context.cursor.line_before.strip() else None


def _likely(track: Track) -> bool:
    return track.logprob is not None and math.exp(track.logprob) >= _LIKELY


def _ended(context: CompletionContext, track: Track) -> bool:
    return not context.multiline and track.finish_reason == "stop"


def _below(context: CompletionContext, text: str, replaced: int, line: str) -> CompletionRequest | None:
    """The request on a new line after `text`, which ends with `line`."""
    if context.cursor.line_after[replaced:].strip():
        return None  # nobody would break the line there
    return _after(context, text + context.cursor.ending + line[: len(line) - len(line.lstrip())], replaced)


def _after(context: CompletionContext, text: str, replaced: int) -> CompletionRequest | None:
    if context.request.selected is not None:
        return None
    entry = SelectedCompletion(context.request_position, text, replaced)
    document, position = context.request.document, context.request.position
    return CompletionRequest(document, position, "automatic", "prefetch", selected=entry)
