"""Decides when the engine gives the memory of its KV cache back to the system."""

from __future__ import annotations

import math
from collections.abc import Callable

import psutil


class Elasticity:
    """Gives memory back after a long pause, or while the computer is short of it."""

    SHORT = 0.05
    """Memory is short when less than this share of the computer's is available."""
    AGAIN_S = 10.0
    """While memory is short: seconds until what has been cached since is given back, too."""

    def __init__(self, idle_s: float, free: Callable[[], float | None], now: float) -> None:
        """`idle_s`: seconds without requests, 0 for never. `free` returns the share of memory available, None if
        unknown."""
        self._idle_s = idle_s
        self._free = free
        self._busy_at = now
        self._given_at = -math.inf

    def due(self, now: float, active: bool) -> bool:
        """Whether to give memory back now; to be called twice a second. `active`: whether there are requests."""
        if active:
            self._busy_at = now
        if not self._idle_s or self._given_at > self._busy_at or now - self._given_at < self.AGAIN_S:
            return False
        free = self._free()
        due = now - self._busy_at >= self._idle_s or (free is not None and free < self.SHORT)
        if due:
            self._given_at = now
        return due


def free_share() -> float | None:
    """The share of the computer's memory that is available without swapping; None if unknown."""
    try:
        memory = psutil.virtual_memory()
    except (OSError, NotImplementedError, RuntimeError):
        return None
    return float(memory.available / memory.total)
