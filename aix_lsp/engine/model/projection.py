"""A linear layer with the RMS norm that precedes it, in floating point. Knows weights, no model structure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch.nn.functional as F
from torch import Tensor


class Project(Protocol):
    """From rows `[M, in]` to rows `[M, out]`, written to `out` if given (of any float dtype)."""

    nbytes: int
    """Bytes of its weight."""

    def __call__(self, rows: Tensor, out: Tensor | None = None) -> Tensor: ...

    def add(self, rows: Tensor, onto: Tensor) -> None:
        """Add the result to `onto` `[M, out]` in place."""
        onto.add_(self(rows))


@dataclass(frozen=True, slots=True)
class RmsNorm:
    """Root-mean-square normalisation: `x / sqrt(mean(x²) + eps) * weight` (Zhang and Sennrich, 2019)."""

    weight: Tensor
    eps: float

    def __call__(self, rows: Tensor) -> Tensor:
        return F.rms_norm(rows, rows.shape[-1:], self.weight, self.eps)


class FloatProjection(Project):
    """`norm(rows) @ weight.T + bias` in the dtype of `weight` `[out, in]`.

    The norm is part of the projection because a quantised one can fold it into its weights and scales.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None = None, norm: RmsNorm | None = None) -> None:
        self.weight = weight
        self.bias = bias
        self.norm = norm
        self.nbytes = weight.nbytes
        self.seen: Tensor | None = None
        """If not None: the sum of the squares of the inputs observed so far, `[in]` float32."""

    def __call__(self, rows: Tensor, out: Tensor | None = None) -> Tensor:
        if self.norm is not None:
            rows = self.norm(rows)
        if self.seen is not None:
            self.seen.add_(rows.float().square().sum(0))
        found = F.linear(rows, self.weight, self.bias)
        return found if out is None else out.copy_(found)
