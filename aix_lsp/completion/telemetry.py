"""What is counted of a client's asks and generations, and of what became of the suggestions.

Counts go to the user's file now and then (aix_lsp/statistics.py); numbers only, nothing of any document.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from aix_lsp import statistics
from aix_lsp.completion.completion_context import CompletionContext
from aix_lsp.completion.document import Text
from aix_lsp.completion.feedback import Feedback
from aix_lsp.completion.figures import figures
from aix_lsp.completion.generation import Generation
from aix_lsp.completion.generation_cache import GenerationRef
from aix_lsp.completion.request import Suggestion
from aix_lsp.completion.retention import Retention

log = logging.getLogger(__name__)

_SAVE_EVERY_S = 60.0


class Telemetry:
    """The counts of one client, added to those of all in a file."""

    def __init__(self, latest: Callable[[str], Text | None]) -> None:
        """`latest` gives an open document's text by URI."""
        self._session: Counter[str] = Counter()
        self._unsaved: Counter[str] = Counter()
        self._feedback = Feedback(self._count)
        self._retention = Retention(latest, self._retained)
        self._timer: asyncio.TimerHandle | None = None
        self._saving: asyncio.Task[None] | None = None

    def answered(
        self, context: CompletionContext, ref: GenerationRef, suggestions: Sequence[Suggestion]
    ) -> None:
        """A request has had its last update."""
        language = context.cursor.language
        self._count("requests", language=language)
        if not suggestions:
            return
        generation = ref.generation
        generation.given = True
        self._count("wasted_tokens", -generation.written_off, language)
        generation.written_off = 0
        self._count("answered", language=language)
        self._count(statistics.latency_name(suggestions[0].first_text_ms))
        self._feedback.given(suggestions, language)
        for suggestion in suggestions:
            self._retention.given(
                suggestion.id, context.request.document.uri, context.request_position, suggestion.text
            )
        if ref.origin == "joined":
            self._count("joined")
        elif ref.origin == "reused":
            self._count("reused", language=language)
            self._count("saved_tokens", generation.usage.prompt_tokens + generation.completion_tokens)

    def generated(self, generation: Generation) -> None:
        """A generation has ended, or the further candidates that were asked for at its place have."""
        language = generation.cursor.language
        for usage in generation.bills():
            self._count("generations")
            self._count("prompt_tokens", usage.prompt_tokens)
            self._count("cached_tokens", usage.cached_tokens)
            self._count("completion_tokens", usage.completion_tokens, language)
            # What was begun ahead of the user is waste until it is given.
            if (generation.cancelled or generation.prefetched_for is not None) and not generation.given:
                generation.written_off += usage.completion_tokens
                self._count("wasted_tokens", usage.completion_tokens, language)

    def feedback(self, suggestion_id: str, event: str, accepted_chars: int) -> None:
        """See CompletionService.feedback."""
        self._feedback.event(suggestion_id, event, accepted_chars)
        if event == "accepted":
            self._retention.accepted(suggestion_id)

    @property
    def unwelcome(self) -> bool:
        """Whether the last few suggestions that were shown were all rejected."""
        return self._feedback.unwelcome

    def look_again(self, uri: str | None = None) -> None:
        """See now what is left of accepted suggestions, before a document (or all of them) is closed."""
        self._retention.check(uri)

    def session(self) -> dict[str, Any]:
        """The figures of this client, and of each language; see completion/figures.py."""
        languages = statistics.by_language(self._session)
        apart = {language: figures(counts) for language, counts in languages.items()}
        return figures(self._session) | {"languages": apart}

    def _retained(self, inserted: int, kept: int) -> None:
        self._count("checked_characters", inserted)
        self._count("surviving_characters", kept)

    def _count(self, name: str, value: int = 1, language: str = "") -> None:
        if not value:
            return
        for key in (name, statistics.name_in(language, name)):
            if key is not None:
                self._session[key] += value
                self._unsaved[key] += value
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(_SAVE_EVERY_S, self._save_soon)

    def _save_soon(self) -> None:
        self._timer = None
        if self._saving is None or self._saving.done():
            self._saving = asyncio.create_task(self._save())

    async def _save(self) -> None:
        counts, self._unsaved = self._unsaved, Counter()
        await asyncio.to_thread(_add, counts)

    async def close(self) -> None:
        """Save what is left."""
        if self._timer is not None:
            self._timer.cancel()
        if self._saving is not None:
            await self._saving
        await self._save()


def _add(counts: Counter[str]) -> None:
    try:
        statistics.add(counts)
    except OSError as error:
        log.info("statistics could not be saved: %s", error)
    except Exception:
        log.exception("statistics could not be saved")
