"""Queries the privacy policy on threads, so that no keystroke waits for a file system that hangs.

Used on one event loop. Knows none of the rules, which are in aix_lsp/privacy.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from cachetools import LRUCache

from aix_lsp.files import on_thread
from aix_lsp.privacy.policy import Privacy
from aix_lsp.settings import Settings

log = logging.getLogger(__name__)

_FRESH_S = 5.0
"""How long an answer is used without checking again."""
_STALE_S = 15.0
"""How long it is used for context while a new one is fetched, so that a missing answer does not change a prompt."""
_PATIENCE_S = 5.0
"""How long a request waits for an answer. Without one, nothing is sent."""
_MOST_AT_ONCE = 8
"""Threads; each may hang for as long as a file system does. Further checks wait until one is free."""
SILENT = "it is not known whether it may be sent: the file system does not respond"

_Key = tuple[str, tuple[str, ...], tuple[Path, ...]]


class PrivacyChecks:
    """Says why files may not be sent ("" if nothing forbids it), and remembers that for some seconds."""

    def __init__(self, roots: Callable[[], Sequence[Path]] = tuple) -> None:
        """`roots` returns the workspace folders."""
        self._roots = roots
        self._answers: LRUCache[_Key, tuple[float, str]] = LRUCache(4096)
        self._running: dict[_Key, tuple[float, asyncio.Task[None]]] = {}
        self._threads = asyncio.Semaphore(_MOST_AT_ONCE)
        self._idle: list[tuple[tuple[Path, ...], Privacy]] = []
        """Each with its workspace folders. Only one thread uses a policy at a time; a hung thread keeps its own."""

    def known(self, uri: str, settings: Settings, *, fresh: bool = False) -> str | None:
        """The last answer; None if there is none, or only one that is too old.

        Unless it is at most some seconds old, as it must be with `fresh`, a new one is fetched in the background.
        """
        key = self._key(uri, settings)
        age = self._age(key)
        if age >= _FRESH_S:
            self._ask([key])
        return self._answers[key][1] if age < (_FRESH_S if fresh else _STALE_S) else None

    async def reason(self, uri: str, settings: Settings) -> str:
        """The answer, waiting for it if necessary; a file system that does not respond counts as a no."""
        await self.fetch([uri], settings)
        known = self.known(uri, settings, fresh=True)
        return SILENT if known is None else known

    async def fetch(self, uris: Iterable[str], settings: Settings) -> None:
        """Fetch the answers about all of these, unless that takes too long."""
        keys = [self._key(uri, settings) for uri in uris]
        self._ask([key for key in keys if self._age(key) >= _FRESH_S])
        running = [self._running[key] for key in keys if key in self._running]
        if running:
            left = min(began for began, _ in running) + _PATIENCE_S - time.monotonic()
            await asyncio.wait({task for _, task in running}, timeout=max(left, 0.0))

    async def close(self) -> None:
        """Stop waiting for answers."""
        tasks = {task for _, task in self._running.values()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _key(self, uri: str, settings: Settings) -> _Key:
        return uri, tuple(settings.exclude), tuple(self._roots())

    def _age(self, key: _Key) -> float:
        answer = self._answers.get(key)
        return time.monotonic() - answer[0] if answer is not None else float("inf")

    def _ask(self, keys: Sequence[_Key]) -> None:
        """Fetch answers on one thread, except for those already being fetched."""
        keys = [key for key in dict.fromkeys(keys) if key not in self._running]
        if not keys:
            return
        task = asyncio.create_task(self._fetched(keys))
        for key in keys:
            self._running[key] = (time.monotonic(), task)

    async def _fetched(self, keys: Sequence[_Key]) -> None:
        try:
            async with self._threads:
                await self._judge(keys)
        except Exception:
            log.exception("could not determine whether files may be sent")
        finally:
            for key in keys:
                del self._running[key]

    async def _judge(self, keys: Sequence[_Key]) -> None:
        roots = keys[0][2]
        known, privacy = self._idle.pop() if self._idle else ((), Privacy())
        if known != roots:
            privacy = Privacy(lambda: roots)
        for key, answer in zip(keys, await on_thread(_judged, privacy, keys), strict=True):
            self._answers[key] = (time.monotonic(), answer)
        self._idle.append((roots, privacy))


def _judged(privacy: Privacy, keys: Sequence[_Key]) -> list[str]:
    return [privacy.inactive_reason(uri, Settings(exclude=list(exclude))) or "" for uri, exclude, _ in keys]
