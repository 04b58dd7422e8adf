"""Checks at load time that our forward pass computes what transformers computes. Knows no families or policy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from aix_lsp.engine.model.kv import KvPool, LayerShape
from aix_lsp.engine.model.plan import DevicePlan, lay_out
from aix_lsp.engine.step import Row

_PAGE_SIZE = 4
_LENGTHS = (21, 13)
_STEPS = (((0, 0, 10),), ((1, 0, 7), (0, 10, 11)), ((0, 11, 21), (1, 7, 8)), ((1, 8, 13),))
"""The chunks (sequence, start, end) in each step of the check."""


@dataclass(frozen=True, slots=True)
class Reference:
    """Token sequences and transformers' own logits for them, `[length, vocab]` float32 each."""

    sequences: tuple[tuple[int, ...], ...]
    logits: tuple[Tensor, ...]

    @property
    def vocab_size(self) -> int:
        """Width of the logits."""
        return int(self.logits[0].shape[1])


@torch.inference_mode()
def eager_reference(model: Any) -> Reference:
    """transformers' eager logits for a few token sequences spread over the vocabulary."""
    vocab = model.get_input_embeddings().weight.shape[0]
    sequences = tuple(
        tuple((7 + 31 * number + 997 * at * (at + 3)) % vocab for at in range(length))
        for number, length in enumerate(_LENGTHS)
    )
    if model._can_set_attn_implementation():
        model.set_attn_implementation("eager")
    device = model.get_input_embeddings().weight.device
    logits = tuple(
        model(input_ids=torch.tensor([sequence], device=device), use_cache=False).logits[0].float()
        for sequence in sequences
    )
    return Reference(sequences, logits)


@torch.inference_mode()
def worst_error(
    forward: Callable[[DevicePlan], Tensor],
    reference: Reference,
    shapes: Mapping[int, LayerShape],
    dtype: torch.dtype,
    device: torch.device,
) -> float:
    """How far the logits are from the reference, computed in interleaved chunks over scattered pages as the scheduler
    would: over all positions, the largest root mean square difference divided by the reference's deviation."""
    batched = device.type != "cpu"
    pool = KvPool(shapes, 16, _PAGE_SIZE, dtype, device, clear=batched)
    pages = ([9, 2, 11, 4, 15, 0], [5, 6, 7, 8])
    worst = 0.0
    for step in _STEPS:
        rows = [
            Row(reference.sequences[n][start:end], start, pages[n], outputs=end - start)
            for n, start, end in step
        ]
        expected = torch.cat([reference.logits[n][start:end] for n, start, end in step])
        worst = max(
            worst, _error(forward(lay_out(rows, pool, _PAGE_SIZE, device, batched=batched)).float(), expected)
        )
    return worst


def _error(found: Tensor, expected: Tensor) -> float:
    if found.shape != expected.shape or not bool(found.isfinite().all()):
        return float("inf")
    return float((found - expected).square().mean(-1).sqrt().max() / expected.std().clamp_min(1e-6))
