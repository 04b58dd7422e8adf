"""Int8 weights with activations quantised as they come. Knows matrices and this CPU, no model.

Weights are symmetric per output channel. A norm in front is folded in: its weight into the matrix, and
since a row's scale commutes with the product, its root mean square into the result.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

import torch
from torch import Tensor

from aix_lsp.engine.projection import Project, RmsNorm

_TINY = 1e-12


class _Int8Projection:
    """What both kernels share: folding the norm, and scales of rows."""

    def __init__(self, bias: Tensor | None, norm: RmsNorm | None) -> None:
        self._bias = None if bias is None else bias.float()
        self._eps = None if norm is None else norm.eps

    def _scale(self, rows: Tensor) -> Tensor:
        """`1 / sqrt(mean(x²) + eps)` of each row, `[M, 1]`."""
        assert self._eps is not None
        norms = torch.linalg.vector_norm(rows, dim=-1, keepdim=True)
        scale: Tensor = norms.square_().div_(rows.shape[-1]).add_(self._eps).rsqrt_()
        return scale


class PackedInt8Projection(_Int8Projection):
    """Through FBGEMM's packed weights: one operation quantises, multiplies and scales back.

    It quantises all rows with one range, so rows are first brought to the same peak: a token's result must
    not depend on what else is in the batch. (What is left of that: the range's lower end, where no row
    reaches −peak.)
    """

    def __init__(
        self, weight: Tensor, bias: Tensor | None = None, norm: RmsNorm | None = None, narrow: bool = False
    ) -> None:
        super().__init__(bias, norm)
        codes, scales = quantize_rows(_folded(weight, norm))
        self._packed = _pack(codes, scales)
        self._narrow = narrow
        self._multiply = torch.ops.quantized.linear_dynamic.default

    def __call__(self, rows: Tensor) -> Tensor:
        if rows.shape[0] == 1:
            return self._one(rows)
        peaks = rows.abs().amax(-1, keepdim=True).clamp_min_(_TINY)
        out: Tensor = self._multiply(rows / peaks, self._packed, self._narrow)
        out.mul_(peaks if self._eps is None else peaks * self._scale(rows))
        return out if self._bias is None else out.add_(self._bias)

    def _one(self, rows: Tensor) -> Tensor:
        out: Tensor = self._multiply(rows, self._packed, self._narrow)
        if self._eps is not None:
            row = rows.view(-1)
            out.mul_(1.0 / math.sqrt(torch.dot(row, row).item() / row.shape[0] + self._eps))
        return out if self._bias is None else out.add_(self._bias)


class PlainInt8Projection(_Int8Projection):
    """Through `torch._int_mm`, with a symmetric scale per row: for CPUs and torch builds without FBGEMM."""

    def __init__(self, weight: Tensor, bias: Tensor | None = None, norm: RmsNorm | None = None) -> None:
        super().__init__(bias, norm)
        codes, self._scales = quantize_rows(_folded(weight, norm))
        self._codes = codes.t()

    def __call__(self, rows: Tensor) -> Tensor:
        peaks = rows.abs().amax(-1, keepdim=True).clamp_min_(_TINY)
        codes = (rows * (127.0 / peaks)).round_().to(torch.int8)
        peaks = peaks / 127.0 if self._eps is None else peaks * self._scale(rows) / 127.0
        out = torch._int_mm(codes, self._codes).to(rows.dtype).mul_(self._scales).mul_(peaks)
        return out if self._bias is None else out.add_(self._bias)


def quantize_rows(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Int8 codes `[out, in]` in −127 … 127 and float32 scales `[out]` such that codes × scale is near
    `weight`."""
    weight = weight.float()
    scales = weight.abs().amax(1).clamp_min_(_TINY) / 127.0
    return (weight / scales[:, None]).round_().to(torch.int8), scales


def int8_projection(weight: Tensor, bias: Tensor | None = None, norm: RmsNorm | None = None) -> Project:
    """The int8 form of `norm(x) @ weight.T + bias` that is fastest here."""
    if "fbgemm" not in torch.backends.quantized.supported_engines:
        return PlainInt8Projection(weight, bias, norm)
    return PackedInt8Projection(weight, bias, norm, narrow=_saturates())


def _folded(weight: Tensor, norm: RmsNorm | None) -> Tensor:
    return weight if norm is None else weight.float() * norm.weight.float()


def _pack(codes: Tensor, scales: Tensor) -> Any:
    zeros = torch.zeros(codes.shape[0], dtype=torch.int64)
    with warnings.catch_warnings():
        # The quantised tensor type is announced for removal; PlainInt8Projection is what remains then.
        warnings.simplefilter("ignore")
        engine = torch.backends.quantized.engine
        torch.backends.quantized.engine = "fbgemm"
        try:
            tensor = torch._make_per_channel_quantized_tensor(codes, scales.double(), zeros, 0)
            return torch.ops.quantized.linear_prepack(tensor, None)
        finally:
            torch.backends.quantized.engine = engine


_saturation: list[bool] = []


def _saturates() -> bool:
    """Whether products overflow 16 bits here, as they do without VNNI instructions: then activations take 7
    bits.

    Found by trying: the largest codes on both sides, whose exact sum is known.
    """
    if not _saturation:
        size = 64
        packed = _pack(torch.full((32, size), 127, dtype=torch.int8), torch.ones(32))
        out = torch.ops.quantized.linear_dynamic(torch.ones(1, size), packed, False)
        _saturation.append(bool((out - 127.0 * size).abs().max() > 127.0))
    return _saturation[0]


class Int8Linear(torch.nn.Module):
    """Stands in for an `nn.Linear` of a model of transformers."""

    def __init__(self, linear: torch.nn.Linear) -> None:
        super().__init__()
        self.in_features = linear.in_features
        self.out_features = linear.out_features
        self._project = int8_projection(
            linear.weight.detach(), None if linear.bias is None else linear.bias.detach()
        )

    def forward(self, rows: Tensor) -> Tensor:
        """As `nn.Linear`: `[…, in]` to `[…, out]`, in the dtype of `rows`."""
        flat = rows.reshape(-1, self.in_features).float()
        if not flat.shape[0]:
            return rows.new_empty(*rows.shape[:-1], self.out_features)
        return self._project(flat).to(rows.dtype).view(*rows.shape[:-1], self.out_features)


@torch.no_grad()
def quantize_linears(model: torch.nn.Module) -> None:
    """Replace all `nn.Linear` in `model` by int8 ones, one by one. Other weights (experts, convolutions)
    stay."""
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if type(child) is torch.nn.Linear:
                setattr(parent, name, Int8Linear(child))
