"""Chooses the number of threads for torch, and falls back to one while the machine is busy. Knows no models."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import torch

from aix_lsp.engine.step import Row, Runner

log = logging.getLogger(__name__)

_BUDGET_S = 1.0
_ROUNDS = 5
_CHUNK = 64
_MANY = 48
"""From this many tokens on, a step is like a chunk of a prompt: matrix products dominate, not dispatching."""
_DECODES = 8


def begin(threads: int, small: bool) -> int:
    """Set the number of threads for loading, and return the most that `choose` may use.

    `threads` is the setting, 0 for none. A small model is loaded with one thread, which on a busy machine can take a
    twentieth of the time.
    """
    most = threads or torch.get_num_threads()
    torch.set_num_threads(1 if small and not threads else most)
    return most


@dataclass(slots=True)
class Threads:
    """The numbers of threads for steps of few and of many tokens."""

    few: int
    many: int

    @property
    def most(self) -> int:
        return max(self.few, self.many)

    def limit(self, most: int) -> Threads:
        """The same, with at most `most` in either."""
        return Threads(min(self.few, most), min(self.many, most))

    def use(self, tokens: int) -> None:
        """Set the number of threads for a step of `tokens` on the calling thread."""
        wanted = self.many if tokens >= _MANY else self.few
        if torch.get_num_threads() != wanted:
            torch.set_num_threads(wanted)


def choose(runner: Runner, most: int) -> Threads:
    """The fastest numbers of threads for a few tokens and for a chunk of a prompt, on this machine at this time.

    Two threads on two busy cores can be ten times slower than one, since each operation waits for the slower thread. A
    model of a few million parameters gains little from more threads in decoding, but does in prefill. A model that
    takes more than about a second to measure is large enough to gain from all threads. Overwrites the KV of the first
    pages: call it before anything is served.
    """
    tried = sorted({1, *(count for count in (2, 4, 8, 16) if count < most), most})
    all_threads = Threads(most, most)
    if len(tried) == 1:
        return all_threads
    chunk = min(_CHUNK, runner.context_length - _DECODES)
    if _read(runner, chunk) > _BUDGET_S:
        return all_threads
    if (_read(runner, chunk) + _decode(runner, chunk)) * len(tried) > _BUDGET_S:
        return all_threads
    reading, decoding = _measured(runner, chunk, tried)
    # More threads take cores from the editor, its language servers and our server, which all work right after a key is
    # pressed. With few tokens, each doubling must gain a third; with many, the cores are free soon, and little will do.
    few = min(tried, key=lambda count: decoding[count] * 1.33 ** math.log2(count))
    many = min(tried, key=lambda count: reading[count] * (1.0 + 0.02 * count))
    for name, costs in (("few tokens", decoding), ("many", reading)):
        log.info(
            "%s: %s", name, ", ".join(f"{count} threads {cost * 1e3:.1f} ms" for count, cost in costs.items())
        )
    return Threads(few, many)


def _measured(runner: Runner, chunk: int, tried: Sequence[int]) -> tuple[dict[int, float], dict[int, float]]:
    """Seconds for reading a chunk, and for decoding after it, by number of threads; the best of several rounds."""
    reading = dict.fromkeys(tried, math.inf)
    decoding = dict.fromkeys(tried, math.inf)
    end = time.perf_counter() + _BUDGET_S
    # In turns, so that a passing load on the machine affects all counts.
    for _ in range(_ROUNDS):
        for count in tried:
            torch.set_num_threads(count)
            reading[count] = min(reading[count], _read(runner, chunk))
            decoding[count] = min(decoding[count], _decode(runner, chunk))
        if time.perf_counter() > end:
            break
    return reading, decoding


def _read(runner: Runner, chunk: int) -> float:
    begin = time.perf_counter()
    runner.step([Row([0] * chunk, 0, range(runner.page_count))])
    return time.perf_counter() - begin


def _decode(runner: Runner, chunk: int) -> float:
    pages = range(runner.page_count)
    begin = time.perf_counter()
    for at in range(_DECODES):
        runner.step([Row([0], chunk + at, pages)])
    return time.perf_counter() - begin


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
