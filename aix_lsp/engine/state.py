"""The engine process's state as clients see it, and whether it has clients. Lives on the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

State = dict[str, Any]
"""See docs/engine-api.md; `state` is "loading", "ready" or "error"."""


class StateBoard:
    """Holds the state and notifies watchers of changes."""

    def __init__(self, state: State) -> None:
        self.current = state
        self._version = 0
        self._closed = False
        self._changed = asyncio.Event()

    def publish(self, state: State) -> None:
        self.current = state
        self._wake()

    def close(self) -> None:
        """End all watches, before the process exits."""
        self._closed = True
        self._wake()

    def _wake(self) -> None:
        self._version += 1
        self._changed.set()
        self._changed = asyncio.Event()

    async def watch(self, beat_s: float) -> AsyncIterator[State | None]:
        """Yields the state, now and after each change; None if it has not changed for `beat_s` seconds.

        Of changes in quick succession, only the last is seen.
        """
        seen = -1
        while not self._closed:
            if seen != self._version:
                seen = self._version
                yield self.current
                continue
            try:
                await asyncio.wait_for(self._changed.wait(), beat_s)
            except TimeoutError:
                yield None


class Presence:
    """Counts the clients being served, to tell how long there have been none."""

    def __init__(self) -> None:
        self._present = 0
        self._since = time.monotonic()

    @contextlib.contextmanager
    def here(self) -> Iterator[None]:
        """A client is being served within this context."""
        self._present += 1
        try:
            yield
        finally:
            self._present -= 1
            self._since = time.monotonic()

    def idle_seconds(self) -> float:
        """How long there have been no clients; 0 while there are any."""
        return 0.0 if self._present else time.monotonic() - self._since
