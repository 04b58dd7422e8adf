"""Computes steps: lays them out, runs the forward pass, samples. Owns the KV pool's tensors."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import torch

from aix_lsp.engine.model.kv import KvPool
from aix_lsp.engine.model.memory import ran_out
from aix_lsp.engine.model.plan import Aborted, Forward, lay_out, never
from aix_lsp.engine.model.sampler import sample
from aix_lsp.engine.model.threads import Governor, Threads
from aix_lsp.engine.step import OutOfMemory, Row, Sampled


class TorchRunner:
    """Implements `Runner` (step.py) for any forward pass."""

    def __init__(
        self,
        forward: Forward,
        pool: KvPool,
        vocab_size: int,
        context_length: int,
        batched: bool = False,
    ) -> None:
        """`batched` computes decoding rows together, as GPUs need; the pool must have been created with `clear`."""
        self._threads: Threads | None = None
        self._governor: Governor | None = None
        self.page_size = pool.page_size
        self.page_count = pool.page_count
        self.vocab_size = vocab_size
        self.context_length = context_length
        self._forward = forward
        self._pool = pool
        self._batched = batched

    def govern(self, threads: Threads) -> None:
        """Compute with `threads` from now on, and with one thread while several stall."""

        def allow(most: int) -> None:
            self._threads = threads.limit(most)

        allow(threads.most)
        self._governor = Governor(threads.most, allow) if threads.most > 1 else None

    @torch.inference_mode()
    def step(self, rows: Sequence[Row], abort: Callable[[], bool] = never) -> list[list[Sampled]] | None:
        """See `Runner.step`."""
        begin = time.perf_counter()
        try:
            pool = self._pool
            plan = lay_out(rows, pool, self.page_size, pool.device, abort, self._batched)
            if self._threads is not None:
                self._threads.use(len(plan.tokens))
            sampled = sample(self._forward(plan), rows)
            if not len(plan.wanted):
                # Nothing has waited for the device yet: the step's time must not count later, and its pages must be
                # unused after it.
                _synchronize(pool.device)
        except Aborted:
            return None
        except (MemoryError, RuntimeError) as error:
            if ran_out(error):
                raise OutOfMemory(str(error)) from error
            raise
        if self._governor is not None:
            lengths = sum(span.length for span in plan.spans)
            kind = len(plan.tokens).bit_length(), lengths.bit_length()
            self._governor.note(kind, time.perf_counter() - begin)
        return sampled

    def release(self, runs: Sequence[tuple[int, int]]) -> int:
        """See `Runner.release`."""
        return self._pool.release(runs)

    @torch.inference_mode()
    def copy_page(self, source: int, target: int, tokens: int) -> None:
        """See `Runner.copy_page`."""
        self._pool.copy(source, target, tokens)


def _synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
