"""Int8 weights with activations quantised as they come. Knows matrices and this CPU, no model.

Weights are symmetric per output channel. A norm in front is folded in: its weight into the matrix, and
since a row's scale commutes with the product, its root mean square into the result.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from aix_lsp.engine.model.projection import Project, RmsNorm

_TINY = 1e-12


class _Int8Projection:
    """What both kernels share: the norm folded in, and the scales of rows.

    `codes` `[out, in]` are int8 and `scales` `[out]` float32; with a norm, `sqrt(in)` is folded into the
    scales, so that a row's factor is `1 / sqrt(sum(x²) + in · eps)`.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None, norm: RmsNorm | None) -> None:
        codes, scales = quantize_rows(weight if norm is None else weight.float() * norm.weight.float())
        width = weight.shape[1]
        self.codes = codes
        self.nbytes = codes.nbytes
        self.scales = scales if norm is None else scales * math.sqrt(width)
        self._bias = None if bias is None else bias.float()
        self._eps_number = 0.0 if norm is None else norm.eps * width
        self._eps = None if norm is None else torch.tensor(self._eps_number)

    def _row_factors(self, rows: Tensor) -> Tensor:
        """The norm's factor of each row, `[M, 1]`, or a scalar for one row."""
        assert self._eps is not None
        if rows.shape[0] == 1:
            row = rows.view(-1)
            return torch.dot(row, row).add_(self._eps).rsqrt_()
        squares: Tensor = torch.linalg.vector_norm(rows, dim=-1, keepdim=True).square_()
        return squares.add_(self._eps).rsqrt_()

    def _finish(self, found: Tensor, factors: Tensor | None, out: Tensor | None) -> Tensor:
        if factors is not None:
            found = found.mul_(factors) if out is None else torch.mul(found, factors, out=out)
        elif out is not None:
            found = out.copy_(found)
        return found if self._bias is None else found.add_(self._bias)


class PackedInt8Projection(_Int8Projection):
    """Through FBGEMM's packed weights: one operation quantises, multiplies and scales back.

    It streams weights from memory twice as fast as `torch._int_mm`. It quantises all rows with one range,
    so rows are first brought to the same peak: a token's result must not depend on what else is in the
    batch. (What is left of that: the range's lower end, where no row reaches −peak.)
    """

    def __init__(
        self, weight: Tensor, bias: Tensor | None = None, norm: RmsNorm | None = None, narrow: bool = False
    ) -> None:
        super().__init__(weight, bias, norm)
        self._packed = _pack(self.codes, self.scales)
        self._narrow = narrow
        self._multiply = torch.ops.quantized.linear_dynamic.default
        del self.codes, self.scales

    def __call__(self, rows: Tensor, out: Tensor | None = None) -> Tensor:
        if rows.shape[0] == 1:
            factors = None if self._eps is None else self._row_factors(rows)
            return self._finish(self._multiply(rows, self._packed, self._narrow), factors, out)
        peaks = rows.abs().amax(-1, keepdim=True).clamp_min_(_TINY)
        found = self._multiply(rows / peaks, self._packed, self._narrow)
        return self._finish(found, peaks if self._eps is None else peaks.mul_(self._row_factors(rows)), out)

    def add(self, rows: Tensor, onto: Tensor) -> None:
        """See `Project.add`."""
        onto.add_(self(rows))


@dataclass(frozen=True, slots=True)
class _Buffers:
    """What one product of a given number of rows is computed in."""

    scaled: Tensor
    codes: Tensor
    sums: Tensor
    out: Tensor

    @classmethod
    def of(cls, count: int, inputs: int, outputs: int) -> _Buffers:
        return cls(
            torch.empty(count, inputs),
            torch.empty(count, inputs, dtype=torch.int8),
            torch.empty(count, outputs, dtype=torch.int32),
            torch.empty(count, outputs),
        )


_KEPT_ROWS = 16


class PlainInt8Projection(_Int8Projection):
    """Through `torch._int_mm`, with a symmetric scale per row.

    For weights that stay in the CPU's caches, and for torch builds without FBGEMM. Few rows are computed in
    kept buffers: 14 instead of 22 µs for 256 → 512 and one row, most of them dispatching. Their result is
    overwritten by the next call.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None = None, norm: RmsNorm | None = None) -> None:
        super().__init__(weight, bias, norm)
        self.codes = self.codes.t()
        self.scales /= 127.0
        self._most = torch.tensor(127.0)
        self._kept: dict[int, _Buffers] = {}
        # Scalars that operations read as tensors and Python writes as numbers.
        self._numbers = np.zeros(2, np.float32)
        self._inverse, self._factor = torch.from_numpy(self._numbers).unbind()

    def __call__(self, rows: Tensor, out: Tensor | None = None) -> Tensor:
        buffers, factors = self._multiply(rows)
        out = buffers.out if out is None else out
        out.copy_(buffers.sums).mul_(self.scales).mul_(factors)
        return out if self._bias is None else out.add_(self._bias)

    def add(self, rows: Tensor, onto: Tensor) -> None:
        """See `Project.add`."""
        buffers, factors = self._multiply(rows)
        onto.addcmul_(buffers.out.copy_(buffers.sums).mul_(self.scales), factors)
        if self._bias is not None:
            onto.add_(self._bias)

    def _multiply(self, rows: Tensor) -> tuple[_Buffers, Tensor]:
        """The sums of products of codes, and the factors of rows that they are to be scaled with."""
        count = rows.shape[0]
        buffers = self._kept.get(count)
        if buffers is None:
            buffers = _Buffers.of(count, *self.codes.shape)
            if count <= _KEPT_ROWS:
                self._kept[count] = buffers
        if count == 1:
            return buffers, self._multiply_one(rows, buffers)
        # A row of zeros divides by zero here and is multiplied by zero afterwards.
        peaks = rows.abs().amax(-1, keepdim=True)
        self._products(torch.mul(rows, self._most / peaks, out=buffers.scaled), buffers)
        if self._eps is not None:
            peaks.mul_(self._row_factors(rows))
        return buffers, peaks

    def _multiply_one(self, rows: Tensor, buffers: _Buffers) -> Tensor:
        """As `_multiply`, with the scalars computed by Python: 14 instead of 18 µs for 256 → 512."""
        low, high = torch.aminmax(rows)
        peak = max(-low.item(), high.item(), _TINY)
        self._numbers[0] = 127.0 / peak
        self._products(torch.mul(rows, self._inverse, out=buffers.scaled), buffers)
        if self._eps is not None:
            row = rows.view(-1)
            peak /= math.sqrt(torch.dot(row, row).item() + self._eps_number)
        self._numbers[1] = peak
        return self._factor

    def _products(self, scaled: Tensor, buffers: _Buffers) -> None:
        torch._int_mm(buffers.codes.copy_(scaled.round_()), self.codes, out=buffers.sums)


def quantize_rows(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Int8 codes `[out, in]` in −127 … 127 and float32 scales `[out]` such that codes × scale is near
    `weight`."""
    weight = weight.float()
    scales = weight.abs().amax(1).clamp_min_(_TINY) / 127.0
    return (weight / scales[:, None]).round_().to(torch.int8), scales


CACHED = 32_000_000
"""Weights up to which a model is taken to stay in the CPU's caches."""


def int8_projection(
    weight: Tensor, bias: Tensor | None = None, norm: RmsNorm | None = None, cached: bool = False
) -> Project:
    """The int8 form of `norm(x) @ weight.T + bias` that is fastest here; `cached` says that all of the
    model's weights stay in the CPU's caches."""
    if cached or "fbgemm" not in torch.backends.quantized.supported_engines:
        return PlainInt8Projection(weight, bias, norm)
    return PackedInt8Projection(weight, bias, norm, narrow=_saturates())


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

    def __init__(self, linear: torch.nn.Linear, cached: bool) -> None:
        super().__init__()
        self.in_features = linear.in_features
        self.out_features = linear.out_features
        bias = None if linear.bias is None else linear.bias.detach()
        self._project = int8_projection(linear.weight.detach(), bias, cached=cached)

    @property
    def nbytes(self) -> int:
        """Bytes that the weight takes."""
        return self._project.nbytes

    def forward(self, rows: Tensor) -> Tensor:
        """As `nn.Linear`: `[…, in]` to `[…, out]`, in the dtype of `rows`."""
        flat = rows.reshape(-1, self.in_features).float()
        if not flat.shape[0]:
            return rows.new_empty(*rows.shape[:-1], self.out_features)
        # A copy where the dtype is the same: the projection may reuse its result's memory.
        return self._project(flat).to(rows.dtype, copy=True).view(*rows.shape[:-1], self.out_features)


@torch.no_grad()
def quantize_linears(model: torch.nn.Module) -> None:
    """Replace all `nn.Linear` in `model` by int8 ones, one by one. Other weights (experts, convolutions)
    stay."""
    linears = [module for module in model.modules() if type(module) is torch.nn.Linear]
    cached = sum(linear.weight.numel() for linear in linears) <= CACHED
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if type(child) is torch.nn.Linear:
                setattr(parent, name, Int8Linear(child, cached))
