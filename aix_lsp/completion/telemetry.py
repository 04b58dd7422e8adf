"""Counts a client's requests, generations and suggestions, on this machine only.

They are added to the user's file from time to time (aix_lsp/statistics.py): only numbers, nothing from any document.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cachetools import LRUCache

from aix_lsp import files, statistics
from aix_lsp.backends.base import Usage
from aix_lsp.completion.generation import Generation
from aix_lsp.completion.generation_cache import GenerationRef
from aix_lsp.completion.request import CompletionContext, Suggestion
from aix_lsp.completion.text import OpenDocument, Text
from aix_lsp.statistics import COUNTS, quantile

log = logging.getLogger(__name__)

_SAVE_EVERY_S = 60.0

Count = Callable[[str, int, str], None]
_UNWELCOME = 4
_CHECK_AFTER_S = 30.0
"""How long after an acceptance it is checked what is left of the suggestion."""
_NEAR_LINES = 50
_MOST_REPORTED = 10_000
"""The most that the engine accepts in one request."""


@dataclass(frozen=True, slots=True)
class _Insertion:
    """What an accepted suggestion would insert, and where."""

    uri: str
    line: int
    text: str


class Telemetry:
    """The counts of one client, which are added to those of all clients in a file."""

    def __init__(self, open_document: OpenDocument) -> None:
        self._session: Counter[str] = Counter()
        self._unsaved: Counter[str] = Counter()
        self._reported: Counter[str] = Counter()
        self._feedback = Feedback(self._count)
        self._open_document = open_document
        self._given: LRUCache[str, _Insertion] = LRUCache(512)
        """By the suggestion's id."""
        self._due: dict[_Insertion, asyncio.TimerHandle] = {}
        """The accepted ones whose retention is checked later."""
        self._timer: asyncio.TimerHandle | None = None
        self._saving: asyncio.Task[None] | None = None

    def answered(
        self, context: CompletionContext, ref: GenerationRef, suggestions: Sequence[Suggestion]
    ) -> None:
        """Count a request that has had its last update."""
        language = context.cursor.language
        self._count("requests", language=language)
        if not suggestions:
            return
        generation = ref.generation
        generation.answered_a_request = True
        self._count("wasted_tokens", -generation.written_off, language)
        generation.written_off = 0
        self._count("answered", language=language)
        self._count(statistics.latency_name(suggestions[0].first_text_ms))
        self._feedback.given(suggestions, language)
        uri, line = context.request.document.uri, context.request_position.line
        for suggestion in suggestions:
            self._given[suggestion.id] = _Insertion(uri, line, suggestion.text)
        if ref.origin == "joined":
            self._count("joined")
        elif ref.origin == "reused":
            self._count("reused", language=language)
            self._count("saved_tokens", generation.usage.prompt_tokens + generation.completion_tokens)

    def generated(self, generation: Generation) -> None:
        """Count a generation that has ended, or whose further candidates have."""
        language = generation.cursor.language
        for usage in generation.uncounted_usage():
            self._count("generations")
            self._count("prompt_tokens", usage.prompt_tokens)
            self._count("cached_tokens", usage.cached_tokens)
            self._count("completion_tokens", usage.completion_tokens, language)
            # A prefetched generation is waste until it answers a request.
            if (
                generation.cancelled or generation.prefetched_for is not None
            ) and not generation.answered_a_request:
                generation.written_off += usage.completion_tokens
                self._count("wasted_tokens", usage.completion_tokens, language)

    def has_read_ahead(self, usage: Usage) -> None:
        """Count what the backend has read ahead: apart, since no suggestion came of it, nor is it a generation."""
        self._count("read_ahead_tokens", usage.prompt_tokens - usage.cached_tokens)

    def feedback(self, suggestion_id: str, event: str, accepted_chars: int) -> None:
        """See CompletionService.feedback."""
        self._feedback.event(suggestion_id, event, accepted_chars)
        insertion = self._given.pop(suggestion_id, None) if event == "accepted" else None
        if insertion is not None and insertion not in self._due:
            loop = asyncio.get_running_loop()
            self._due[insertion] = loop.call_later(_CHECK_AFTER_S, self._check, insertion)

    def unreported(self) -> tuple[int, int]:
        """The numbers of suggestions shown, and accepted in whole or in part, since the last call."""
        now = Counter({name: self._session[name] for name in ("shown", "accepted", "partly")})
        risen = now - self._reported
        self._reported = now
        return min(risen["shown"], _MOST_REPORTED), min(risen["accepted"] + risen["partly"], _MOST_REPORTED)

    @property
    def unwelcome(self) -> bool:
        """Whether the last few suggestions that were shown were all rejected."""
        return self._feedback.unwelcome

    def check_retention(self, uri: str | None = None) -> None:
        """Check now how much is left of accepted suggestions, before a document (or all of them) is closed."""
        for insertion, timer in list(self._due.items()):
            if uri in (None, insertion.uri):
                timer.cancel()
                self._check(insertion)

    def session(self) -> dict[str, Any]:
        """The counts of this client, in all and for each language; see `figures`."""
        languages = statistics.by_language(self._session)
        apart = {language: figures(counts) for language, counts in languages.items()}
        return figures(self._session) | {"languages": apart}

    def _check(self, insertion: _Insertion) -> None:
        self._due.pop(insertion, None)
        document = self._open_document(insertion.uri)
        if document is not None:
            inserted, kept = retained(insertion.text, document.text, insertion.line)
            self._count("checked_characters", inserted)
            self._count("retained_characters", kept)

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
        await files.on_thread(_add, counts)

    async def close(self) -> None:
        """Save the counts that have not been saved yet."""
        if self._timer is not None:
            self._timer.cancel()
        if self._saving is not None:
            await self._saving
        await self._save()


def _add(counts: Counter[str]) -> None:
    try:
        statistics.add(counts)
    except Exception:
        log.exception("statistics could not be saved")


@dataclass(slots=True)
class _Outcome:
    language: str
    left: int = 0
    """Characters that can still be accepted."""
    shown: bool = False
    taken: bool = False
    """Whether any of it was accepted."""
    settled: bool = False


class Feedback:
    """Turns a client's feedback into counts, in which each suggestion counts once."""

    def __init__(self, count: Count) -> None:
        """`count` is called with a name of aix_lsp.statistics.COUNTS, a number, and the language id."""
        self._count = count
        self._known: LRUCache[str, _Outcome] = LRUCache(512)
        self._rejected_in_a_row = 0

    @property
    def unwelcome(self) -> bool:
        """Whether the last few suggestions that were shown were all rejected."""
        return self._rejected_in_a_row >= _UNWELCOME

    def given(self, suggestions: Iterable[Suggestion], language: str) -> None:
        """Record suggestions that a client has received, in a document of this language.

        As the user types, an id comes again with the rest of its text.
        """
        for suggestion in suggestions:
            outcome = self._known.setdefault(suggestion.id, _Outcome(language))
            outcome.left = len(suggestion.text)

    def event(self, suggestion_id: str, event: str, accepted_chars: int) -> None:
        """See CompletionService.feedback. Unknown ids and events are ignored."""
        outcome = self._known.get(suggestion_id)
        if outcome is None:
            return
        if event == "shown":
            self._show(outcome)
        elif event == "partly":
            self._accept(outcome, "partly", max(0, min(accepted_chars, outcome.left)))
        elif event == "accepted" and not outcome.settled:
            outcome.settled = True
            self._accept(outcome, "accepted", outcome.left)
        elif event == "rejected" and not outcome.settled:
            outcome.settled = True
            if not outcome.taken:
                self._count("rejected", 1, outcome.language)
                self._rejected_in_a_row += 1

    def _show(self, outcome: _Outcome) -> None:
        if not outcome.shown:
            outcome.shown = True
            self._count("shown", 1, outcome.language)
            self._count("shown_characters", outcome.left, outcome.language)

    def _accept(self, outcome: _Outcome, how: str, characters: int) -> None:
        self._show(outcome)  # what was accepted has been shown, even if the client did not say so
        if not outcome.taken:
            outcome.taken = True
            self._rejected_in_a_row = 0
            self._count(how, 1, outcome.language)
        outcome.left -= characters
        self._count("kept_characters", characters, outcome.language)


def figures(counts: Mapping[str, float]) -> dict[str, Any]:
    """The counts of aix_lsp.statistics, and the ratios derived from them; None if nothing was counted."""
    taken = counts.get("accepted", 0) + counts.get("partly", 0)
    return {name: int(counts.get(name, 0)) for name in COUNTS} | {
        "acceptance": _share(taken, counts.get("shown", 0)),
        "reuse": _share(counts.get("reused", 0), counts.get("answered", 0)),
        "cache": _share(counts.get("cached_tokens", 0), counts.get("prompt_tokens", 0)),
        "retention": _share(counts.get("retained_characters", 0), counts.get("checked_characters", 0)),
        "first_text_ms": {"p50": _bound(quantile(counts, 0.5)), "p95": _bound(quantile(counts, 0.95))},
    }


def _share(part: float, whole: float) -> float | None:
    return round(part / whole, 4) if whole else None


def _bound(milliseconds: float | None) -> float | None:
    """JSON has no infinity."""
    return None if milliseconds == float("inf") else milliseconds


def retained(inserted: str, text: Text, line: int) -> tuple[int, int]:
    """The number of characters in the lines of `inserted`, and in those of them that are unchanged near `line`."""
    snippets = [snippet.strip() for snippet in inserted.splitlines() if snippet.strip()]
    stop = line + len(snippets) + _NEAR_LINES
    near = [there[:10_000] for there in text.lines(max(0, line - _NEAR_LINES), stop)]
    kept = sum(len(snippet) for snippet in snippets if any(snippet in there for there in near))
    return sum(map(len, snippets)), kept
