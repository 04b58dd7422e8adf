"""A weight matrix that may be frozen and learn a low-rank change (LoRA: Hu et al. 2021)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_SCALE = 2.0
_DOWN, _UP = ".down", ".up"


class Projection(nn.Linear):
    """A linear layer without bias."""

    down: nn.Parameter | None
    """[rank, inputs]"""
    up: nn.Parameter | None
    """[outputs, rank], initially zeros"""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, bias=False)
        self.register_parameter("down", None)
        self.register_parameter("up", None)

    def learn_low_rank(self, rank: int) -> None:
        """Freeze the matrix, and learn only a change of this rank from now on."""
        self.weight.requires_grad_(False)
        self.down = nn.Parameter(torch.randn(rank, self.in_features) * self.in_features**-0.5)
        self.up = nn.Parameter(torch.zeros(self.out_features, rank))

    def forward(self, x: Tensor) -> Tensor:
        return joint(x, self)

    def change(self, x: Tensor) -> Tensor:
        """The learned change's contribution to the result."""
        assert self.down is not None
        assert self.up is not None
        return F.linear(F.linear(x, self.down), self.up) * _SCALE


def joint(x: Tensor, *projections: Projection) -> Tensor:
    """The concatenated results of several projections of one input, from one product."""
    weights = [projection.weight for projection in projections]
    out = F.linear(x, torch.cat(weights) if len(weights) > 1 else weights[0])
    if projections[0].up is None:
        return out
    return out + torch.cat([projection.change(x) for projection in projections], dim=-1)


def merged(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights with learned low-rank changes, if any, added to their matrices."""
    found = {name: value for name, value in weights.items() if not name.endswith((_DOWN, _UP))}
    for name, up in weights.items():
        if name.endswith(_UP):
            stem = name.removesuffix(_UP)
            found[f"{stem}.weight"] = found[f"{stem}.weight"] + _SCALE * up @ weights[stem + _DOWN]
    return found
