"""Checks at load time that a forward pass computes what another one does, and owns the limits.

Ours must compute what transformers computes, on a few tokens; a quantised one what it computes in float, on a piece of
code. Knows no families or policy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor

from aix_lsp.engine.model.kv import KvPool, LayerShape
from aix_lsp.engine.model.plan import Forward, lay_out
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
    forward: Forward,
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


_SAMPLE = Path(__file__).with_name("check_sample.txt")
_TOKENS = 256
_READ = 192
_DECODED = 8
"""Tokens of the sample, those read in the first step, and those read in each further step."""

_MOST_KL = 0.006
_MOST_ERROR = 0.25
_LEAST_SAME = 0.95
_FLAT_KL = 0.0015


@dataclass(frozen=True, slots=True)
class Agreement:
    """How two models compare over a text: mean KL divergence in nats, the share of positions with the same most likely
    token, and the worst position's error (root mean square difference of the logits over their deviation)."""

    kl: float
    same_top: float
    worst: float

    @property
    def good(self) -> bool:
        """Whether they are close enough. In a model of random weights, top tokens are nearly tied: there only KL
        counts."""
        near = self.kl <= _MOST_KL and self.worst <= _MOST_ERROR
        return near and (self.same_top >= _LEAST_SAME or self.kl <= _FLAT_KL)

    def __str__(self) -> str:
        same = f"{self.same_top:.1%} of the most likely tokens are the same"
        return f"{same}, KL {self.kl:.4f} nats a token, worst error {self.worst:.2f}"


def sample_tokens(tokenizer: Tokenizer, vocab_size: int) -> list[int]:
    """The sample as tokens; ids beyond the vocabulary, as tests' models have them, are wrapped around."""
    tokens = tokenizer.encode(_SAMPLE.read_text(), add_special_tokens=False).ids
    return [token % vocab_size for token in tokens[:_TOKENS]]


@torch.inference_mode()
def text_logits(
    forward: Forward,
    tokens: Sequence[int],
    shapes: Mapping[int, LayerShape],
    dtype: torch.dtype,
    device: torch.device,
) -> Tensor:
    """Logits `[len(tokens), vocab]` float32 of a text. Most of it is read in one step and the rest a few tokens a step,
    since those use other kernels."""
    pages = range(-(-len(tokens) // _PAGE_SIZE))
    batched = device.type != "cpu"
    pool = KvPool(shapes, len(pages), _PAGE_SIZE, dtype, device, clear=batched)
    found, start = [], 0
    while start < len(tokens):
        end = min(len(tokens), start + _DECODED if start else _READ)
        row = Row(tokens[start:end], start, pages, outputs=end - start)
        found.append(forward(lay_out([row], pool, _PAGE_SIZE, device, batched=batched)).float())
        start = end
    return torch.cat(found)


@torch.inference_mode()
def compare(found: Tensor, expected: Tensor) -> Agreement:
    """Compare logits `[positions, vocab]`."""
    if found.shape != expected.shape or not bool(found.isfinite().all()):
        return Agreement(float("inf"), 0.0, float("inf"))
    divergence = worst = same = 0.0
    deviation = float(expected.std().clamp_min(1e-6))
    # Position by position: all at once would take three more copies of up to 150 MB.
    for one, other in zip(found, expected, strict=True):
        exact = other.log_softmax(-1)
        divergence += float((exact.exp() * (exact - one.log_softmax(-1))).sum())
        same += float(one.argmax() == other.argmax())
        worst = max(worst, float((one - other).square().mean().sqrt()) / deviation)
    count = len(found)
    return Agreement(max(0.0, divergence / count), same / count, worst)
