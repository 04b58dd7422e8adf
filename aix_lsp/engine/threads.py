"""How many threads torch computes with. Measures; knows steps, no model."""

from __future__ import annotations

import logging
import time

import torch

from aix_lsp.engine.step import Row, Runner

log = logging.getLogger(__name__)

_DECODES = 8
_CHUNK = 64
_ROUNDS = 3


def limit(threads: int) -> None:
    """Compute with `threads` threads; 0 leaves torch's own choice."""
    if threads:
        torch.set_num_threads(threads)


def choose(runner: Runner) -> int:
    """Set and return the number of threads that decodes fastest here and now, prefill taken into account.

    The KV of the first pages is overwritten: for use before anything is served.
    """
    most = torch.get_num_threads()
    tried = sorted({1, *(count for count in (2, 4, 8, 16) if count < most), most})
    if len(tried) == 1:
        return most
    costs = dict.fromkeys(tried, float("inf"))
    # In turns, so that a passing load on the machine meets each count.
    for _ in range(_ROUNDS):
        for count in tried:
            torch.set_num_threads(count)
            costs[count] = min(costs[count], _cost(runner))
    # A second thread that gains next to nothing would take a core from the editor and its language servers.
    best = min(tried, key=lambda count: costs[count] * (1.0 + 0.02 * count))
    torch.set_num_threads(best)
    log.info("threads: %s", ", ".join(f"{count}: {costs[count] * 1e3:.1f} ms" for count in tried))
    return best


def _cost(runner: Runner) -> float:
    """Seconds of a short completion: one chunk of prompt and a few tokens."""
    chunk = min(_CHUNK, runner.page_size * (runner.page_count - 1))
    pages = range(runner.page_count)
    begin = time.perf_counter()
    runner.step([Row([0] * chunk, 0, pages)])
    for at in range(_DECODES):
        runner.step([Row([0], max(0, chunk - 1 - at), pages)])
    return time.perf_counter() - begin
