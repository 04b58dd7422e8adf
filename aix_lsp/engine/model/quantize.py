"""Int8 weights that preserve a model's output: a scale per output row, and finer codes for important columns.

In trained models, a few input channels are a hundred times larger than the rest. Rounding a weight in such a column
costs as much as rounding all others, so the columns with the largest inputs get a second int8 code for the first one's
remainder (compare LLM.int8(), Dettmers et al., 2022, which keeps these columns in floating point). The second codes
are `EXTRA` further columns of the same matrix, so that one product computes both.

Each input row becomes two int8 rows, coarse and fine (13 bits together): one product of two rows reads the weights
only once, which is what a decoded token costs. Knows matrices, no kernels or models.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor

from aix_lsp.engine.model.projection import FloatProjection, RmsNorm

EXTRA = 30
"""Columns with a second code. KL of SmolLM2-135M on code, in nats a token: 0.0049 without, 0.0013 with 30, 0.0010 with
62."""

FINE = 126.0
"""Fine steps per coarse step: both signs within 7 bits, for products of 7 bits."""

_ALIGNMENT = 32
_TINY = 1e-12


@dataclass(slots=True)
class Int8Weight:
    """`norm(x) @ weight.T + bias` in int8.

    `codes` `[out, width]` int8 are the weight's columns, then those of `outliers` `[k]` int64 once more, `FINE` times
    finer, then zeros: at least two columns, up to a multiple of 32. A code times its row's `scales` `[out]` float32 is
    a weight.
    """

    codes: Tensor
    scales: Tensor
    outliers: Tensor
    inputs: int
    bias: Tensor | None = None
    norm: RmsNorm | None = None

    @classmethod
    def of(cls, plain: FloatProjection) -> Int8Weight:
        """The int8 form of a projection; if it has observed no inputs, arbitrary columns are the outliers."""
        weight = plain.weight.float()
        inputs = weight.shape[1]
        seen = weight.new_zeros(inputs) if plain.seen is None else plain.seen
        outliers = seen.topk(min(EXTRA, inputs)).indices.sort().values
        width = -(-(inputs + outliers.shape[0] + 2) // _ALIGNMENT) * _ALIGNMENT
        codes = torch.zeros(weight.shape[0], width, dtype=torch.int8)
        scales = weight.abs().amax(1).clamp_min_(_TINY) / 127.0
        # In pieces, so that no second float32 copy of a large matrix is in memory.
        for begin in range(0, weight.shape[0], _PIECE):
            piece = slice(begin, begin + _PIECE)
            exact = weight[piece] / scales[piece, None]
            near = exact.round()
            codes[piece, :inputs] = near.to(torch.int8)
            rest = exact.index_select(1, outliers) - near.index_select(1, outliers)
            codes[piece, inputs : inputs + outliers.shape[0]] = (rest * FINE).round_().to(torch.int8)
        bias = None if plain.bias is None else plain.bias.float()
        norm = None if plain.norm is None else RmsNorm(plain.norm.weight.float(), plain.norm.eps)
        return cls(codes, scales, outliers, inputs, bias, norm)

    def weight(self) -> Tensor:
        """The weight that the codes represent, `[out, in]` float32."""
        codes = self.codes[:, : self.inputs].float()
        extra = self.codes[:, self.inputs : self.inputs + self.outliers.shape[0]].float() / FINE
        return codes.index_add_(1, self.outliers, extra).mul_(self.scales[:, None])


_PIECE = 8192


class TwoRows:
    """Quantises the inputs of a product with an Int8Weight.

    `most` is the largest coarse code: 127 or, for 7-bit kernels, 63. The last two columns, which are multiplied by
    zeros, hold the ends of the range of codes: a kernel that determines the range itself (FBGEMM) then finds exactly
    this range, and leaves the codes as they are. A preceding norm is applied in two parts, its weight before the
    product and its factor as part of the row's scale after it: torch's own norm takes ten operations on a CPU.
    """

    def __init__(self, weight: Int8Weight, most: int = 127) -> None:
        norm = weight.norm
        self._gain = None if norm is None else norm.weight
        self._eps = 0.0 if norm is None else norm.eps
        self._gain_array = None if norm is None else norm.weight.numpy()
        self._outliers = weight.outliers
        self._outlier_array = weight.outliers.numpy()
        self._inputs = weight.inputs
        self._width = weight.codes.shape[1]
        self._most = float(most)
        self._kept: dict[int, Codes] = {}

    def codes(self, rows: Tensor) -> Codes:
        """Coarse and fine codes (not yet rounded) of `rows` `[M, in]` float32, and the scale of each."""
        count = rows.shape[0]
        made = self._kept.get(count)
        if made is None:
            made = Codes(count, self._width, self._inputs, self._outliers.shape[0], self._most)
            if count <= KEPT_ROWS:
                self._kept[count] = made
        if count == 1:
            self._one(rows.numpy()[0], made)
        elif count <= KEPT_ROWS:
            self._few(rows.numpy(), made)
        else:
            self._many(rows, made)
        return made

    def _one(self, row: _Floats, made: Codes) -> None:
        """For one row, with numpy, whose calls cost a third of torch's, and half of that again in one dimension: with
        576 inputs and 960 outputs, a projection takes 39 instead of 58 µs."""
        coarse, fine, rounded = made.first
        scaled = row if self._gain_array is None else np.multiply(row, self._gain_array, out=coarse)
        np.abs(scaled, out=fine)
        peak = float(np.maximum.reduce(fine)) or _TINY
        np.multiply(scaled, np.float32(self._most / peak), out=coarse)
        np.rint(coarse, out=rounded)
        np.subtract(coarse, rounded, out=fine)
        np.multiply(fine, _FINE, out=fine)
        # The factors of the weights' second codes are in the fine row, where they count 1 / FINE.
        rounded.take(self._outlier_array, out=made.extra_array[0], mode="clip")
        if self._gain_array is not None:
            peak /= math.sqrt(float(row.dot(row)) / self._inputs + self._eps)
        made.coarse_worth[0] = peak / self._most
        made.fine_worth[0] = peak / self._most / FINE

    def _few(self, rows: _Floats, made: Codes) -> None:
        """The same for several rows."""
        coarse, fine, rounded = made.arrays
        scaled = rows if self._gain_array is None else np.multiply(rows, self._gain_array, out=coarse)
        np.abs(scaled, out=fine)
        peaks = np.maximum.reduce(fine, axis=1)
        np.maximum(peaks, _TINY, out=peaks)
        peaks /= self._most
        np.divide(scaled, peaks[:, None], out=coarse)
        np.rint(coarse, out=rounded)
        np.subtract(coarse, rounded, out=fine)
        np.multiply(fine, _FINE, out=fine)
        made.extra_array[:] = rounded.take(self._outlier_array, axis=1)
        if self._gain_array is not None:
            squares = np.einsum("ij,ij->i", rows, rows)
            peaks /= np.sqrt(squares / self._inputs + self._eps)
        made.coarse_worth[:] = peaks
        np.divide(peaks, _FINE, out=made.fine_worth)

    def _many(self, rows: Tensor, made: Codes) -> None:
        """The same with torch."""
        scaled = rows if self._gain is None else torch.mul(rows, self._gain, out=made.coarse)
        peaks = (
            torch.linalg.vector_norm(scaled, torch.inf, -1, keepdim=True).clamp_min_(_TINY).div_(self._most)
        )
        torch.div(scaled, peaks, out=made.coarse)
        torch.round(made.coarse, out=made.rounded)
        torch.sub(made.coarse, made.rounded, out=made.fine)
        made.fine.mul_(FINE)
        made.extra.copy_(made.rounded.index_select(1, self._outliers))
        if self._gain is not None:
            squares: Tensor = torch.linalg.vector_norm(rows, dim=-1, keepdim=True).square_()
            peaks.mul_(squares.div_(self._inputs).add_(self._eps).rsqrt_())
        made.worth = peaks


KEPT_ROWS = 8
"""For up to this many rows, codes are kept, computed with numpy, and combined by a product."""

_FINE = np.float32(FINE)
_Floats: TypeAlias = "np.ndarray[Any, np.dtype[np.float32]]"


class Codes:
    """The codes of `count` rows, and views of them. Those of few rows are kept, and overwritten by the next call.

    `both` is `[2 * count, width]`: all coarse rows, then all fine rows. `worth` `[count, 1]` is the scale of coarse
    codes. For few rows, `_mix` `[count, 2 * count]` holds the scales of coarse and fine codes, such that the result is
    `_mix` times the products of `both`.
    """

    def __init__(self, count: int, width: int, inputs: int, outliers: int, most: float) -> None:
        self.count = count
        self.both = torch.zeros(2 * count, width)
        self.both[:, -2] = most + 1.0
        self.both[:, -1] = -most
        self.coarse = self.both[:count, :inputs]
        self.fine = self.both[count:, :inputs]
        self.extra = self.both[count:, inputs : inputs + outliers]
        self.rounded = torch.empty(count, inputs)
        self.worth = torch.ones(count, 1)
        self._mix = torch.zeros(count, 2 * count)
        mix = self._mix.numpy().reshape(-1)
        self.coarse_worth = mix[:: 2 * count + 1][:count]
        self.fine_worth = mix[count :: 2 * count + 1][:count]
        self.arrays = self.coarse.numpy(), self.fine.numpy(), self.rounded.numpy()
        self.first = tuple(array[0] for array in self.arrays)
        self.extra_array = self.extra.numpy()

    def join(self, found: Tensor, bias: Tensor | None, out: Tensor | None) -> Tensor:
        """The result `[count, out]`, given the products `found` `[2 * count, out]` of all rows."""
        same = out is not None and out.dtype is found.dtype
        if self.count <= KEPT_ROWS:
            made = torch.mm(self._mix, found, out=out if same else None)
        else:
            made = torch.add(found[: self.count], found[self.count :], alpha=1.0 / FINE)
            made = torch.mul(made, self.worth, out=out if same else None)
        if bias is not None:
            made.add_(bias)
        return made if out is None or same else out.copy_(made)

    def add(self, found: Tensor, bias: Tensor | None, onto: Tensor) -> None:
        """Add the result to `onto` `[count, out]` float32."""
        if self.count <= KEPT_ROWS:
            torch.addmm(onto, self._mix, found, out=onto)
        else:
            onto.addcmul_(torch.add(found[: self.count], found[self.count :], alpha=1.0 / FINE), self.worth)
        if bias is not None:
            onto.add_(bias)
