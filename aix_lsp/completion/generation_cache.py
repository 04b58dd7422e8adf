"""Finds the generation that answers a request: a finished one, a running one, or a new one.

A generation's text begins with what was typed since it started, so looking back from the cursor finds it no matter how
the cursor got there: by typing, accepting a part, backspacing or undoing. Owns the generations; knows nothing about
how answers are assembled.
"""

from __future__ import annotations

import itertools
import logging
import secrets
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, replace
from typing import Generic, Literal, NamedTuple, TypeVar

from cachetools import TTLCache

from aix_lsp.backends.base import Backend, BackendError, BackendUnavailable, Usage
from aix_lsp.completion.context.provider import ContextProvider
from aix_lsp.completion.cursor import BEFORE, NEAR_BEFORE, CursorContext, near_after, near_after_forms
from aix_lsp.completion.document_state import MOST_TYPED_AHEAD, DocumentState
from aix_lsp.completion.generation import Generation
from aix_lsp.completion.prompt import Prompt, PromptBuilder, prefetched, varied
from aix_lsp.completion.prompt_budget import kept_s
from aix_lsp.completion.request import CompletionContext, Mean
from aix_lsp.fim.window import Window

Origin = Literal["generated", "joined", "reused"]

log = logging.getLogger(__name__)

_TAIL = 12
LOOK_BACK = BEFORE - NEAR_BEFORE
"""The longest text that the user can have typed along with a generation, in characters."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class GenerationRef:
    """The generation that answers a request, and what was typed since it began."""

    generation: Generation
    typed: str
    origin: Origin
    """How the request found it."""


class GenerationCache:
    """The generations of one client's documents."""

    def __init__(
        self,
        backend: Backend,
        clock: Callable[[], float],
        ended: Callable[[Generation], None],
        has_read_ahead: Callable[[Usage], None],
        context_provider: ContextProvider,
        unreported: Callable[[], tuple[int, int]],
    ) -> None:
        """`ended` is called with each generation that has ended, `has_read_ahead` with what reading ahead has cost; for
        `unreported`, see PromptBuilder."""
        self.latency = Mean()
        """Seconds until the first text of a new generation."""
        self._prompts = PromptBuilder(backend, context_provider, unreported)
        self._backend = backend
        self._clock = clock
        self._ended = ended
        self._has_read_ahead = has_read_ahead
        self._session = secrets.token_hex(4)
        self._numbers = itertools.count(1)
        self._store: ReuseStore[Generation] = ReuseStore(clock)
        self._generations: set[Generation] = set()
        self._complaint = ""

    @property
    def under_way(self) -> int:
        """The number of running generations."""
        return len(self._generations)

    def find(self, context: CompletionContext, state: DocumentState) -> GenerationRef | None:
        """A generation that agrees with what was typed since it began."""
        for generation, typed in self._store.look_back(context.cursor, context.settings_key):
            if generation.cancelled or generation.error is not None or generation.contradicts(typed):
                continue
            if context.candidates > len(generation.tracks):
                if typed:
                    continue
                self._request_variants(generation, context, state)
            if generation.exhausted(typed) and not _ended_its_line(generation, context):
                continue
            if (
                context.request.trigger == "invoked"
                and generation.finished
                and _needs_more(generation, typed)
            ):
                continue
            return GenerationRef(generation, typed, "reused" if generation.finished else "joined")
        return None

    def fails(self, ref: GenerationRef, context: CompletionContext) -> bool:
        """Whether a generation joined while running turned out to differ from the typed text, or to be too short."""
        generation, typed = ref.generation, ref.typed
        if not typed or ref.origin == "reused" or generation.error is not None:
            return False
        if generation.contradicts(typed):
            return True
        return (
            generation.complete and generation.exhausted(typed) and not _ended_its_line(generation, context)
        )

    def begin(
        self, context: CompletionContext, state: DocumentState, prefetched_for: Generation | None = None
    ) -> GenerationRef:
        """Start a generation. Raises ContentModified if the document has changed in a way that makes it useless.

        With `prefetched_for`, it is a prefetch for the case that that generation's text is accepted.
        """
        name = f"{self._session}-{next(self._numbers)}"
        prompt = self._prompt(context, state)
        cursor = replace(context.cursor, placeholders=prompt.placeholders)
        generation = Generation(
            name, cursor, context.multiline, self._clock, lambda: self._grew(generation, state)
        )
        generation.prefetched_for = prefetched_for
        state.begin(generation, context)
        state.drop_strays(keep=prefetched_for or generation)
        self._generations.add(generation)
        request = prefetched(prompt.request) if prefetched_for is not None else prompt.request
        generation.start(self._backend, request, self._failed)
        if context.candidates > 1:
            self._request_variants(generation, context, state)
        self._store.put(reuse_key(context.cursor, context.settings_key), generation)
        return GenerationRef(generation, "", "generated")

    def read_ahead(self, context: CompletionContext, state: DocumentState) -> None:
        """Have a backend that reads slowly read more of the document while it is idle."""
        prompt = self._prompts.ahead(context, state.window, state.read_ahead.window)
        if prompt is not None:

            def done(window: Window, usage: Usage) -> None:
                state.has_read(window, self._clock())
                self._has_read_ahead(usage)

            state.read_ahead.start(self._backend, prompt.request, prompt.window, done)

    def forget(self, uri: str) -> None:
        """Drop everything stored for a document."""
        self._store.forget(uri)

    def clear(self) -> None:
        """Drop everything stored."""
        self._store.clear()

    async def close(self) -> None:
        """End all generations."""
        running = list(self._generations)
        for generation in running:
            generation.cancel()
        for generation in running:
            await generation.closed()

    def _request_variants(
        self, generation: Generation, context: CompletionContext, state: DocumentState
    ) -> None:
        """Request further candidates at a generation's position, in addition to the first."""
        request = varied(self._prompt(context, state).request, context.candidates - len(generation.tracks))
        self._generations.add(generation)
        generation.start(self._backend, request, self._failed)

    def _prompt(self, context: CompletionContext, state: DocumentState) -> Prompt:
        now = self._clock()
        kept = now - state.read_at < kept_s(context.settings)
        prompt = self._prompts.build(context, state.window, state.read_ahead, kept=kept)
        if context.request.selected is None:  # otherwise the text is not the document's
            state.has_read(prompt.window, now)
        return prompt

    def _grew(self, generation: Generation, state: DocumentState) -> None:
        self._store.grew(max(len(track.raw) for track in generation.tracks))
        state.grew(generation)
        if generation.finished and generation in self._generations:
            self._generations.discard(generation)
            if self._prompts.read(generation.usage):
                state.window = None
            self._ended(generation)
            if generation.first_text is not None:
                self.latency.add(generation.first_text - generation.started)
            if generation.complete:
                self._complaint = ""

    def _failed(self, error: BackendError) -> None:
        """Log each error once; repetitions are logged at debug level only."""
        level = logging.INFO if isinstance(error, BackendUnavailable) else logging.WARNING
        if str(error) == self._complaint:
            level = logging.DEBUG
        self._complaint = str(error)
        log.log(level, "no suggestion: %s", error)


def _needs_more(generation: Generation, typed: str) -> bool:
    """Whether the remaining text is less than an invoked request should return."""
    cut = generation.may_be_cut_short and any(track.finish_reason == "length" for track in generation.tracks)
    return cut or not generation.has_more(typed)


def _ended_its_line(generation: Generation, context: CompletionContext) -> bool:
    """Whether the model ended its line here, so that the rest of the line would be empty."""
    return (
        not (generation.multiline or context.multiline)
        and context.request.trigger == "automatic"
        and all(track.finish_reason == "stop" for track in generation.tracks)
    )


class ReuseKey(NamedTuple):
    """Identifies a position: file, language, nearby text on both sides, settings that affect generation."""

    uri: str
    language: str
    before: str
    after: str
    settings_key: Hashable


def reuse_key(cursor: CursorContext, settings_key: Hashable = None) -> ReuseKey:
    """The key of a cursor's position."""
    return ReuseKey(
        cursor.uri, cursor.language, cursor.before[-NEAR_BEFORE:], near_after(cursor.after), settings_key
    )


class ReuseStore(Generic[T]):
    """A bounded store of values by position; the least recently used are evicted first, and all expire."""

    def __init__(self, clock: Callable[[], float], size: int = 512, seconds: float = 900.0) -> None:
        self._entries: TTLCache[ReuseKey, T] = TTLCache(size, seconds, clock)
        self._longest = MOST_TYPED_AHEAD
        # The cache's keys, and the last characters before each position. Each keystroke looks up hundreds of
        # positions; asking the cache about one takes 20 µs, while these sets take 0.2 µs.
        self._known: set[ReuseKey] = set()
        self._tails: set[str] = set()

    def put(self, at: ReuseKey, value: T) -> None:
        """Store a value at a position, replacing what was there."""
        self._entries[at] = value
        if len(self._known) > 2 * self._entries.maxsize:
            self._known = set(self._entries)
            self._tails = {kept.before[-_TAIL:] for kept in self._known}
        self._known.add(at)
        self._tails.add(at.before[-_TAIL:])

    def grew(self, length: int) -> None:
        """Record that a value's text has grown to this many characters; lookups go back as far as the longest."""
        self._longest = min(LOOK_BACK, max(self._longest, length + MOST_TYPED_AHEAD))

    def look_back(self, cursor: CursorContext, settings_key: Hashable = None) -> Iterator[tuple[T, str]]:
        """The values stored at the cursor's position and at those before it, nearest first, with the text typed since.

        The caller checks whether the value's text begins with the text typed since.
        """
        if not self._entries:
            return
        before = cursor.before
        forms = near_after_forms(cursor.after)
        for back in range(min(self._longest, len(before)) + 1):
            end = len(before) - back
            if before[max(0, end - _TAIL) : end] not in self._tails:
                continue
            near = before[max(0, end - NEAR_BEFORE) : end]
            for after in forms:
                at = ReuseKey(cursor.uri, cursor.language, near, after, settings_key)
                if at in self._known and (value := self._entries.get(at)) is not None:
                    yield value, before[end:]

    def forget(self, uri: str) -> None:
        """Drop everything that belongs to one document."""
        for at in [at for at in self._entries if at.uri == uri]:
            self._entries.pop(at, None)

    def clear(self) -> None:
        """Drop everything."""
        self._entries.clear()
        self._known.clear()
        self._tails.clear()
        self._longest = MOST_TYPED_AHEAD
