"""Which generation answers an ask: one that is finished, one that is running, or a new one.

Owns the generations. Knows nothing of how answers are put together.
"""

from __future__ import annotations

import itertools
import logging
import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Literal

from aix_lsp.backends.base import Backend, BackendError, BackendUnavailable, GenerateRequest, Priority
from aix_lsp.completion import requests
from aix_lsp.completion.ahead import ahead, next_line
from aix_lsp.completion.aim import Aim
from aix_lsp.completion.aim import aim as work_out
from aix_lsp.completion.candidates import contradicts, exhausted, has_more
from aix_lsp.completion.context.gathering import Gathering
from aix_lsp.completion.generation import Generation
from aix_lsp.completion.live import LiveDocument
from aix_lsp.completion.pace import Pace
from aix_lsp.completion.reuse import ReuseStore, place
from aix_lsp.completion.suggestion import ContentModified, Suggestion
from aix_lsp.completion.wait import Mean
from aix_lsp.fim.window import next_window

Outcome = Literal["generated", "joined", "reused"]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Source:
    """The generation that answers an ask, and what was typed since it began."""

    generation: Generation
    typed: str
    outcome: Outcome
    """How the ask came to it."""


class Sources:
    """The generations of one client's documents."""

    def __init__(
        self,
        backend: Backend,
        clock: Callable[[], float],
        ended: Callable[[Generation], None],
        gathering: Gathering,
    ) -> None:
        """`ended` is told of each generation that has ended."""
        self.latency = Mean()
        """Seconds to the first text of a new generation."""
        self._pace = Pace()
        self._backend = backend
        self._clock = clock
        self._ended = ended
        self._gathering = gathering
        self._session = secrets.token_hex(4)
        self._numbers = itertools.count(1)
        self._store: ReuseStore[Generation] = ReuseStore(clock)
        self._generations: set[Generation] = set()
        self._complaint = ""

    @property
    def under_way(self) -> int:
        """How many generations are still running."""
        return len(self._generations)

    def find(self, aim: Aim, live: LiveDocument) -> Source | None:
        """A generation that goes along with what was typed since it began."""
        for generation, typed in self._store.look_back(aim.scene, aim.shape):
            if generation.cancelled or generation.error is not None or contradicts(generation, typed):
                continue
            if aim.wanted > len(generation.tracks):
                if typed:
                    continue
                self._vary(generation, aim, live)
            if exhausted(generation, typed) and not _ended_its_line(generation, aim):
                continue
            if aim.ask.trigger == "invoked" and generation.finished and _too_little(generation, typed):
                continue
            return Source(generation, typed, "reused" if generation.finished else "joined")
        return None

    def fails(self, source: Source, aim: Aim) -> bool:
        """Whether a generation found running has turned out other than what was typed, or shorter."""
        generation, typed = source.generation, source.typed
        if not typed or source.outcome == "reused" or generation.error is not None:
            return False
        if contradicts(generation, typed):
            return True
        return generation.complete and exhausted(generation, typed) and not _ended_its_line(generation, aim)

    def begin(self, aim: Aim, live: LiveDocument, ahead_of: Generation | None = None) -> Source:
        """Begin a generation. Raises ContentModified where the text went on otherwise.

        With `ahead_of` it is one for later, for when that generation's text is accepted.
        """
        name = f"{self._session}-{next(self._numbers)}"
        request, placeholders = self._request(aim, live, self._key(aim))
        scene = replace(aim.scene, placeholders=placeholders)
        generation = Generation(name, scene, aim.extent, self._clock, lambda: self._grew(generation, live))
        generation.ahead_of = ahead_of
        live.begin(generation, aim.ask.document, aim.real_start, aim.real_cursor, aim.head)
        live.drop_strays(keep=ahead_of or generation)
        self._generations.add(generation)
        if ahead_of is not None:
            request = replace(request, priority=Priority.PREFETCH, stream_key=f"{request.stream_key}:ahead")
        generation.start(self._backend, request, self._failed)
        if aim.wanted > 1:
            self._vary(generation, aim, live)
        self._store.put(place(aim.scene, aim.shape), generation)
        return Source(generation, "", "generated")

    def look_ahead(self, aim: Aim, source: Source, suggestion: Suggestion | None, live: LiveDocument) -> None:
        """Begin with what follows a suggestion just given, at the lowest class, while the user reads it.

        Where there was nothing to give, since the line has ended, that is the next line.
        """
        generation = source.generation
        if not generation.complete:
            return
        if suggestion is not None:
            ask = ahead(aim, suggestion, generation.tracks[int(suggestion.id.rpartition(".")[2])])
        else:
            ask = next_line(aim, source.typed, generation.tracks[0])
        further = work_out(ask, aim.settings, self._backend.status.model) if ask else None
        if further is not None and self.find(further, live) is None:
            with suppress(ContentModified):
                self.begin(further, live, ahead_of=generation)

    def forget(self, uri: str) -> None:
        """Drop what is stored of a document."""
        self._store.forget(uri)

    def clear(self) -> None:
        """Drop what is stored."""
        self._store.clear()

    async def close(self) -> None:
        """End every generation."""
        running = list(self._generations)
        for generation in running:
            generation.cancel()
        for generation in running:
            await generation.closed()

    def _vary(self, generation: Generation, aim: Aim, live: LiveDocument) -> None:
        """Ask for further candidates at a generation's place, beside the first."""
        request, _ = self._request(aim, live, f"{self._key(aim)}:more")
        request = replace(
            request,
            n=aim.wanted - len(generation.tracks),
            temperature=requests.varied_temperature(aim.settings),
        )
        self._generations.add(generation)
        generation.start(self._backend, request, self._failed)

    def _request(self, aim: Aim, live: LiveDocument, key: str) -> tuple[GenerateRequest, tuple[str, ...]]:
        """The request for the ask's place, and what stands in its prompt for secrets."""
        model, longest = self._backend.status.model, self._pace.longest
        limits = requests.limits(aim.settings, model, longest)
        window = next_window(live.window, aim.document.text, aim.cursor, limits)
        room = requests.context_chars(aim.settings, model, longest)
        context = self._gathering.files(aim, window, room, moved=window.moved_from(live.window))
        if aim.ask.selected is None:  # else the text is not the document's
            live.window = window
        recalls = requests.recalls(aim.settings, model)
        library = self._gathering.library(aim, window) if recalls else ()
        prompt = window.prompt(aim.document.path, aim.document.language, context)
        cleaned, placeholders = requests.clean(prompt)
        others = self._gathering.placeholders(aim.document.uri)
        return requests.request(cleaned, aim, key, library), (*placeholders, *others)

    def _key(self, aim: Aim) -> str:
        return requests.stream_key(self._session, aim.document.uri)

    def _grew(self, generation: Generation, live: LiveDocument) -> None:
        self._store.grew(max(len(track.raw) for track in generation.tracks))
        live.grew(generation)
        if generation.finished and generation in self._generations:
            self._generations.discard(generation)
            self._pace.add(generation.usage)
            self._ended(generation)
            if generation.first_text is not None:
                self.latency.add(generation.first_text - generation.started)
            if generation.complete:
                self._complaint = ""

    def _failed(self, error: BackendError) -> None:
        """Say once what is wrong; while it stays so, only whoever debugs wants to hear it again."""
        level = logging.INFO if isinstance(error, BackendUnavailable) else logging.WARNING
        if str(error) == self._complaint:
            level = logging.DEBUG
        self._complaint = str(error)
        log.log(level, "no suggestion: %s", error)


def _too_little(generation: Generation, typed: str) -> bool:
    """Whether what is left is less than who asks by hand wants to see."""
    cut = generation.doubted and any(track.finish_reason == "length" for track in generation.tracks)
    return cut or not has_more(generation, typed)


def _ended_its_line(generation: Generation, aim: Aim) -> bool:
    """Whether the model ended its line here, so that asking for the line's rest would bring nothing."""
    return (
        generation.extent == aim.extent == "line"
        and aim.ask.trigger == "automatic"
        and all(track.finish_reason == "stop" for track in generation.tracks)
    )
