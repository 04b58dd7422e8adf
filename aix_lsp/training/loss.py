"""Cross entropy over a vocabulary without ever holding all logits. Knows no models or texts."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

_ROWS = 1024  # positions per chunk of logits: 16 MB in bf16 with a vocabulary of 8,192
_ROWS_CUDA = 16_384  # a GPU needs larger products


class _FusedCrossEntropy(torch.autograd.Function):
    """Computes gradients along with the loss, a chunk of rows at a time; no logits are kept."""

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, head: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
        matrix = head.to(hidden.dtype)
        grad_hidden = torch.empty_like(hidden)
        grad_head = torch.zeros_like(head, dtype=torch.float32)
        total = torch.zeros((), dtype=torch.float32, device=hidden.device)
        rows = _ROWS_CUDA if hidden.is_cuda else _ROWS
        for start in range(0, len(hidden), rows):
            part = slice(start, start + rows)
            loss, grad = _chunk(hidden[part] @ matrix.t(), targets[part], weights[part])
            total += loss
            grad_hidden[part] = grad @ matrix
            if head.requires_grad:
                grad_head += grad.t() @ hidden[part]
        ctx.save_for_backward(grad_hidden, grad_head.to(head.dtype))
        return total

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor, Tensor, None, None]:
        (grad,) = grads
        grad_hidden, grad_head = ctx.saved_tensors
        return grad_hidden * grad, grad_head * grad, None, None


def _chunk_eager(logits: Tensor, targets: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """The weighted sum of the losses, and its gradient with respect to the logits."""
    wide = logits.float()
    top = wide.amax(dim=-1, keepdim=True)
    raised = torch.exp(wide - top)
    total = raised.sum(dim=-1, keepdim=True)
    chosen = wide.gather(1, targets[:, None])
    losses = (total.log() + top - chosen).squeeze(1)
    hit = torch.arange(wide.shape[1], device=wide.device) == targets[:, None]
    grad = (raised / total - hit.float()) * weights[:, None]
    return (losses * weights).sum(), grad.to(logits.dtype)


_chunk = _chunk_eager


def compile_chunks() -> None:
    """Let torch.compile fuse the elementwise part: two passes over the logits instead of four."""
    global _chunk
    _chunk = torch.compile(_chunk_eager, dynamic=False)


def weighted_cross_entropy(hidden: Tensor, head: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Sum over positions of weight × negative log-likelihood, in nats.

    hidden [positions, width], head [vocabulary, width], targets int64 and weights float32 [positions].
    """
    loss: Tensor = _FusedCrossEntropy.apply(  # type: ignore[no-untyped-call]
        hidden, head, targets, weights
    )
    return loss
