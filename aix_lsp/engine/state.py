"""The engine process's state as clients see it, and whether there are any clients. Lives on the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

State = dict[str, Any]
"""As docs/engine-api.md has it: `state` is "loading", "ready" or "error"."""


class StateBoard:
    """Holds the state and wakes whoever watches it."""

    def __init__(self, state: State) -> None:
        self.current = state
        self._version = 0
        self._closed = False
        self._changed = asyncio.Event()

    def publish(self, state: State) -> None:
        """Make `state` the current one."""
        self.current = state
        self._wake()

    def close(self) -> None:
        """End all watching: the process is about to leave."""
        self._closed = True
        self._wake()

    def _wake(self) -> None:
        self._version += 1
        self._changed.set()
        self._changed = asyncio.Event()

    async def watch(self, beat_s: float) -> AsyncIterator[State | None]:
        """The state now and after each change; None where nothing changed for `beat_s` seconds.

        Of changes in quick succession only the last is seen.
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
    """Counts who is being served, to tell how long nobody has been."""

    def __init__(self) -> None:
        self._present = 0
        self._since = time.monotonic()

    @contextlib.contextmanager
    def here(self) -> Iterator[None]:
        """Somebody is being served within this context."""
        self._present += 1
        try:
            yield
        finally:
            self._present -= 1
            self._since = time.monotonic()

    def idle_seconds(self) -> float:
        """How long nobody has been served; 0 while somebody is."""
        return 0.0 if self._present else time.monotonic() - self._since
