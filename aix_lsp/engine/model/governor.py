"""Falls back to one thread while the machine is busy. Knows the times of steps, no torch."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable

_SLOW = 4.0
_STRIKES = 3
_FIRST_PAUSE_S = 5.0
_LONGEST_PAUSE_S = 120.0
_GOOD_STEPS = 50


class Governor:
    """Watches steps that run on several threads, and switches to one thread for a while if they stall.

    Each operation waits for its slowest thread. When other programs use the cores, that thread waits for a time slice,
    and a token of 25 products can take 200 ms instead of one. One thread is then as fast as on an idle machine.
    """

    def __init__(
        self,
        threads: int,
        allow: Callable[[int], object],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`allow` is called with the most threads that the next steps may use; initially `threads`."""
        self._threads = threads
        self._allow = allow
        self._clock = clock
        self._best: dict[Hashable, float] = {}
        self._strikes = 0
        self._good = 0
        self._pause = _FIRST_PAUSE_S
        self._resume_at: float | None = None

    def note(self, kind: Hashable, seconds: float) -> None:
        """Record a step, comparable with others of the same `kind`, and decide for the next one."""
        if self._resume_at is not None:
            if self._clock() >= self._resume_at:
                self._resume_at = None
                self._allow(self._threads)
            return
        best = self._best[kind] = min(self._best.get(kind, seconds), seconds)
        if seconds > _SLOW * best:
            self._strike()
            return
        self._strikes = max(0, self._strikes - 1)
        self._good += 1
        if self._good >= _GOOD_STEPS:
            self._pause = _FIRST_PAUSE_S

    def _strike(self) -> None:
        self._strikes += 1
        self._good = 0
        if self._strikes < _STRIKES:
            return
        self._strikes = 0
        self._resume_at = self._clock() + self._pause
        self._pause = min(2 * self._pause, _LONGEST_PAUSE_S)
        self._allow(1)
