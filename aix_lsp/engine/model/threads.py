"""How many threads torch computes with. Measures steps; knows no model."""

from __future__ import annotations

import logging
import time

import torch

from aix_lsp.engine.step import Row, Runner

log = logging.getLogger(__name__)

_BUDGET_S = 1.0
_ROUNDS = 5
_CHUNK = 32
_DECODES = 8


def begin(threads: int, small: bool) -> int:
    """Set the number of threads for loading, and return the most that `choose` may choose.

    `threads` is the setting, 0 for none. A small model is loaded with one thread, which on a busy machine
    can take a twentieth of the time.
    """
    most = threads or torch.get_num_threads()
    torch.set_num_threads(1 if small and not threads else most)
    return most


def choose(runner: Runner, most: int) -> int:
    """Set and return the number of threads that a short completion takes least time with, here and now.

    Two threads on two busy cores can be ten times slower than one, since each operation waits for the
    slower; and a model of a few million parameters gains little from more. A model whose measuring would
    take more than about a second is large enough to gain from all. The KV of the first pages is
    overwritten: for use before anything is served.
    """
    tried = sorted({1, *(count for count in (2, 4, 8, 16) if count < most), most})
    costs = dict.fromkeys(tried, float("inf"))
    _cost(runner)
    if len(tried) == 1 or _cost(runner) * len(tried) > _BUDGET_S:
        torch.set_num_threads(most)
        return most
    end = time.perf_counter() + _BUDGET_S
    # In turns, so that a passing load on the machine meets each count.
    for _ in range(_ROUNDS):
        for count in tried:
            torch.set_num_threads(count)
            costs[count] = min(costs[count], _cost(runner))
        if time.perf_counter() > end:
            break
    # A thread that gains next to nothing would only take a core from the editor and its language servers.
    best = min(tried, key=lambda count: costs[count] * (1.0 + 0.02 * count))
    torch.set_num_threads(best)
    log.info("threads: %s", ", ".join(f"{count}: {cost * 1e3:.1f} ms" for count, cost in costs.items()))
    return best


def _cost(runner: Runner) -> float:
    """Seconds of a chunk of prompt and a few tokens after it."""
    chunk = min(_CHUNK, runner.context_length - _DECODES)
    pages = range(runner.page_count)
    begin = time.perf_counter()
    runner.step([Row([0] * chunk, 0, pages)])
    for at in range(_DECODES):
        runner.step([Row([0], chunk + at, pages)])
    return time.perf_counter() - begin
