"""Decides when the engine gives the memory of its KV cache back to the system."""

from __future__ import annotations

import math
from collections.abc import Callable

import psutil


class Elasticity:
    """Decides when the engine gives the memory of its KV cache back: after a long pause, or when memory is short."""

    SHORT = 0.05
    """Share of the computer's memory below which it is short."""
    AGAIN_S = 10.0
    """How long it waits before it gives back once more what was computed meanwhile, while memory is short."""

    def __init__(self, idle_s: float, free: Callable[[], float | None], now: float) -> None:
        """`idle_s` 0 keeps everything; `free` tells what share of the memory is available, None where unknown."""
        self._idle_s = idle_s
        self._free = free
        self._busy_at = now
        self._given_at = -math.inf

    def due(self, now: float, active: bool) -> bool:
        """Whether to give back now; to be asked twice a second. `active` is whether there are requests."""
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
    """The share of the computer's memory that can be had without swapping; None where unknown."""
    try:
        memory = psutil.virtual_memory()
    except (OSError, NotImplementedError, RuntimeError):
        return None
    return float(memory.available / memory.total)
