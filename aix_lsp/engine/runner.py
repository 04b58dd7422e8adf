"""Computes steps: lays them out, runs the forward pass, samples. Owns the loaded model's KV pool."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import torch
from torch import Tensor

from aix_lsp.engine.kv import KvPool
from aix_lsp.engine.memory import ran_out
from aix_lsp.engine.plan import Aborted, Plan, lay_out, never
from aix_lsp.engine.sampler import sample
from aix_lsp.engine.step import OutOfMemory, Row, Sampled


class Forward(Protocol):
    """A model: from a step's plan to the logits `[len(plan.wanted), vocab]` of the wanted rows. Raises
    Aborted."""

    def __call__(self, plan: Plan) -> Tensor: ...


class TorchRunner:
    """The Runner of step.py over any forward pass."""

    def __init__(
        self, forward: Forward, pool: KvPool, vocab_size: int, context_length: int, device: torch.device
    ) -> None:
        self.page_size = pool.page_size
        self.page_count = pool.page_count
        self.vocab_size = vocab_size
        self.context_length = context_length
        self._forward = forward
        self._pool = pool
        self._device = device

    @torch.inference_mode()
    def step(self, rows: Sequence[Row], abort: Callable[[], bool] = never) -> list[list[Sampled]] | None:
        """See `Runner.step`."""
        try:
            plan = lay_out(rows, self._pool, self.page_size, self._device, abort)
            return sample(self._forward(plan), rows)
        except Aborted:
            return None
        except (MemoryError, RuntimeError) as error:
            if ran_out(error):
                raise OutOfMemory(str(error)) from error
            raise

    @torch.inference_mode()
    def copy_page(self, source: int, target: int, tokens: int) -> None:
        """See `Runner.copy_page`."""
        self._pool.copy(source, target, tokens)
