"""What became of suggestions and what they cost: counted in memory, added to a local file now and then.

Nothing of a document is kept, only numbers by day and language. `summary` is what `aix-lsp stats` prints.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from cachetools import LRUCache

from aix_lsp import paths
from aix_lsp.completion.figures import BUCKETS_MS, figures
from aix_lsp.completion.suggestion import Suggestion

if TYPE_CHECKING:
    from aix_lsp.completion.tally import Key

log = logging.getLogger(__name__)

Event = Literal["shown", "accepted", "partly", "rejected"]
Outcome = Literal["generated", "joined", "reused"]
_FLUSH_S = 30.0
_ON_DISK = "statistics.sqlite3"


@dataclass(slots=True)
class _Given:
    """A suggestion that the client has."""

    language: str
    left: int
    """Characters that can still be accepted."""
    shown: bool = False
    taken: bool = False
    """Whether something of it was accepted."""
    settled: bool = False


class Statistics:
    """The counts of one client; `flush` adds them to those of all others."""

    def __init__(self, path: Callable[[], Path] | None = None) -> None:
        """`path` gives the file; by default it lies in the user's state folder."""
        self._path = path or (lambda: paths.state_dir() / _ON_DISK)
        self._session: Counter[tuple[str, str]] = Counter()
        self._unsaved: Counter[tuple[str, str]] = Counter()
        self._given: LRUCache[str, _Given] = LRUCache(512)
        self._timer: asyncio.TimerHandle | None = None
        self._saving: set[asyncio.Task[None]] = set()

    # What happens

    def answered(self, language: str, suggestions: Iterable[Suggestion], outcome: Outcome) -> None:
        """An ask has had its last update; `outcome` says where the text came from."""
        self._count(language, "asks")
        best = None
        for suggestion in suggestions:
            best = best or suggestion
            # An id comes again with what is left of its text as the user types along.
            given = self._given.setdefault(suggestion.id, _Given(language, 0))
            given.left = len(suggestion.text)
        if best is None:
            return
        self._count(language, f"answers_{outcome}")
        self._time(language, "first_text", best.first_text_ms)
        self._time(language, "total", best.total_ms)

    def generated(self, language: str, prompt_tokens: int, cached_tokens: int, tokens: int) -> None:
        """A generation has ended; the tokens are what its backend told of it."""
        self._count(language, "generations")
        self._count(language, "prompt_tokens", prompt_tokens)
        self._count(language, "cached_tokens", cached_tokens)
        self._count(language, "completion_tokens", tokens)

    def saved(self, language: str, tokens: int) -> None:
        """An answer from reuse has saved a generation of this many tokens, the prompt's among them."""
        self._count(language, "tokens_saved", tokens)

    def feedback(self, suggestion_id: str, event: str, accepted_chars: int) -> None:
        """See CompletionService.feedback. Unknown ids and events are ignored; the same event counts once."""
        given = self._given.get(suggestion_id)
        if given is None or event not in get_args(Event):
            return
        if event == "shown":
            self._count(given.language, "shown", 0 if given.shown else 1)
            given.shown = True
        elif event == "partly":
            self._accept(given, max(0, accepted_chars), partly=True)
        elif not given.settled:
            given.settled = True
            if event == "accepted":
                self._accept(given, given.left, partly=False)
            else:
                self._count(given.language, "rejected", 0 if given.taken else 1)

    def _accept(self, given: _Given, chars: int, partly: bool) -> None:
        if not given.shown:  # a client that accepts has shown, though it may not say so
            self._count(given.language, "shown")
            given.shown = True
        if not given.taken:
            self._count(given.language, "partly" if partly else "accepted")
        given.taken = True
        self._count(given.language, "accepted_chars", min(chars, given.left))
        given.left -= min(chars, given.left)

    def kept(self, language: str, inserted: int, kept: int) -> None:
        """Some time after an accept: how many of the characters are still there."""
        self._count(language, "checked_chars", inserted)
        self._count(language, "kept_chars", kept)

    def _time(self, language: str, name: str, milliseconds: float) -> None:
        bucket = bisect_left(BUCKETS_MS, milliseconds)
        self._count(language, f"{name}_ms_{bucket:02}")

    def _count(self, language: str, name: str, value: int = 1) -> None:
        if value:
            self._session[language, name] += value
            self._unsaved[language, name] += value
            self._flush_later()

    # What is told

    def session(self) -> dict[str, Any]:
        """The figures of this client."""
        return figures(self._session)

    # The file

    def _flush_later(self) -> None:
        if self._timer is None:
            try:
                loop = asyncio.get_running_loop()
            except RuntimeError:  # no loop, as in a test of the counting alone
                return
            self._timer = loop.call_later(_FLUSH_S, self._start_flush)

    def _start_flush(self) -> None:
        self._timer = None
        task = asyncio.ensure_future(self.flush())
        self._saving.add(task)
        task.add_done_callback(self._saving.discard)

    async def flush(self) -> None:
        """Add what was counted to the file; where that fails, it is tried again later."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        counts, self._unsaved = self._unsaved, Counter()
        if not counts:
            return
        try:
            await asyncio.to_thread(_save, self._path, counts)
        except Exception as error:
            log.info("statistics could not be saved: %s", error)
            self._unsaved.update(counts)

    async def close(self) -> None:
        """Save what is left."""
        for task in list(self._saving):
            with contextlib.suppress(Exception):
                await task
        await self.flush()
        if self._timer is not None:
            self._timer.cancel()


def summary(days: int = 30, path: Path | None = None) -> dict[str, Any]:
    """The figures of all this user's sessions of the last `days` days, with those of each language."""
    from aix_lsp.completion.tally import Tally

    sums = Tally(path or paths.state_dir() / _ON_DISK).sums(date.today() - timedelta(days=days - 1))
    counts = Counter({(key.language, key.name): int(value) for key, value in sums.items()})
    languages = sorted({language for language, _ in counts})
    result = figures(counts)
    result["days"] = days
    result["languages"] = {
        language or "other": figures(Counter({key: n for key, n in counts.items() if key[0] == language}))
        for language in languages
    }
    return result


def _save(path: Callable[[], Path], counts: Counter[tuple[str, str]]) -> None:
    from aix_lsp.completion.tally import Key, Tally

    keyed: dict[Key, float] = {Key(*key): value for key, value in counts.items()}
    Tally(path()).add(keyed)
