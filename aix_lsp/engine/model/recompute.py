"""The slow path, correct for every causal model: no KV cache, each step recomputes whole sequences.

For models whose attention cannot be replaced, and for recurrent models.
"""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch import Tensor

from aix_lsp.engine.model.generic import weight_bytes
from aix_lsp.engine.model.kv import LayerShape
from aix_lsp.engine.model.plan import DevicePlan, RowSpan

SHAPES = {0: LayerShape(heads=1, key_size=1, value_size=0)}
"""The pool holds one number per token instead of keys: its id. Pages, sharing and copies work as usual."""

POOL_DTYPE = torch.int64


class RecomputeForward:
    """Runs an unmodified transformers model on each row's token ids, which the pool holds."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self._keeps = "logits_to_keep" in inspect.signature(model.forward).parameters

    @property
    def nbytes(self) -> int:
        """Bytes of the weights."""
        return weight_bytes(self.model)

    def __call__(self, plan: DevicePlan) -> Tensor:
        """Logits `[len(plan.wanted), vocab]` of the wanted rows. Raises Aborted."""
        ids = plan.tokens.view(1, 1, -1, 1)
        plan.store.write(0, plan.writes, ids, ids[..., :0])
        wanted = plan.wanted.tolist()
        parts = []
        for span in plan.spans:
            kept = sum(span.first <= row < span.first + span.count for row in wanted)
            if kept:
                plan.check_abort()
                parts.append(self._last(plan, span, kept))
        return torch.cat(parts) if parts else torch.empty(0, 0)

    def _last(self, plan: DevicePlan, span: RowSpan, kept: int) -> Tensor:
        ids = plan.store.read(0, span.slots)[0].view(1, -1)
        keep = {"logits_to_keep": kept} if self._keeps else {}
        logits: Tensor = self.model(input_ids=ids, use_cache=False, **keep).logits
        return logits[0, -kept:]
