"""The kernels that can compute a projection on a CPU. Knows torch's operations, no models or policy.

None is the fastest everywhere, and some are wrong or do not run on some CPUs: `kernel_choice` tries and measures.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from aix_lsp.engine.model.projection import FloatProjection, Project
from aix_lsp.engine.model.quantize import FINE, Codes, Int8Weight, TwoRows

# torch will remove quantised tensors. Once FBGEMM is gone, the other kernels remain.
warnings.filterwarnings("ignore", message="torch.quantize_per_tensor", category=UserWarning)

_PIECE = 16_384
"""The most rows that FBGEMM packs at a time. It walks down the columns: with Qwen's 151,936 rows, which no cache holds,
it takes 13 to 18 instead of 5 ns a weight. The products take as long in pieces."""


class FbgemmProjection:
    """Int8 through FBGEMM's packed weights: one operation quantises, multiplies and rescales.

    For few rows the fastest on most x86 CPUs: it streams int8 weights at 1.5 to 2 times the rate of `torch._int_mm`.
    Without VNNI, it adds two products in 16 bits; `narrow` codes of 7 bits cannot overflow them.
    """

    def __init__(self, weight: Int8Weight, narrow: bool = False) -> None:
        self.nbytes = weight.codes.nbytes
        self._rows = TwoRows(weight, 63 if narrow else 127)
        self._bias = weight.bias
        self._narrow = narrow
        count = -(-weight.codes.shape[0] // _PIECE)
        pieces = zip(weight.codes.chunk(count), weight.scales.chunk(count), strict=True)
        self._packed, *self._more = [_pack(codes, scales) for codes, scales in pieces]
        self._multiply = _direct(torch.ops.quantized.linear_dynamic.default)

    def __call__(self, rows: Tensor, out: Tensor | None = None) -> Tensor:
        codes = self._rows.codes(rows)
        return codes.join(self._products(codes), self._bias, out)

    def add(self, rows: Tensor, onto: Tensor) -> None:
        """See `Project.add`."""
        codes = self._rows.codes(rows)
        codes.add(self._products(codes), self._bias, onto)

    def _products(self, codes: Codes) -> Tensor:
        found: Tensor = self._multiply(codes.both, self._packed, self._narrow)
        if not self._more:
            return found
        more = [self._multiply(codes.both, packed, self._narrow) for packed in self._more]
        return torch.cat((found, *more), 1)


class IntegerProjection:
    """Int8 through `torch._int_mm`, on unpacked codes.

    The fastest for many rows with VNNI or AMX; without these, oneDNN has no fast kernel for it.
    """

    def __init__(self, weight: Int8Weight) -> None:
        self.nbytes = weight.codes.nbytes
        self._rows = TwoRows(weight)
        self._bias = weight.bias
        self._scales = weight.scales
        self._codes = weight.codes.t()

    def __call__(self, rows: Tensor, out: Tensor | None = None) -> Tensor:
        codes, found = self._products(rows)
        return codes.join(found, self._bias, out)

    def add(self, rows: Tensor, onto: Tensor) -> None:
        """See `Project.add`."""
        codes, found = self._products(rows)
        codes.add(found, self._bias, onto)

    def _products(self, rows: Tensor) -> tuple[Codes, Tensor]:
        codes = self._rows.codes(rows)
        # The last two columns exceed the int8 range; they are multiplied by zeros.
        sums = torch._int_mm(codes.both.round_().to(torch.int8), self._codes)
        return codes, sums * self._scales


class WeightOnlyProjection(Project):
    """Int8 weights and bfloat16 inputs, through `torch._weight_int8pack_mm`."""

    def __init__(self, weight: Int8Weight) -> None:
        self.nbytes = weight.codes.nbytes
        # For several rows it loads whole vectors, and crashes if they are not aligned, as in a mapped file.
        aligned = weight.codes.data_ptr() % 64 == 0
        self._weight = weight if aligned else replace(weight, codes=weight.codes.clone())
        self._scales = weight.scales.bfloat16()

    def __call__(self, rows: Tensor, out: Tensor | None = None) -> Tensor:
        weight = self._weight
        if weight.norm is not None:
            rows = weight.norm(rows)
        again = rows.index_select(1, weight.outliers) / FINE
        rest = rows.new_zeros(rows.shape[0], weight.codes.shape[1] - weight.inputs - again.shape[1])
        wide = torch.cat((rows, again, rest), 1).bfloat16()
        found = torch._weight_int8pack_mm(wide, weight.codes, self._scales).float()
        if weight.bias is not None:
            found.add_(weight.bias)
        return found if out is None else out.copy_(found)


class Float16Projection(Project):
    """float16 weights and float32 inputs, through FBGEMM: half the bytes, for CPUs with nothing newer than AVX2."""

    def __init__(self, plain: FloatProjection) -> None:
        self.nbytes = plain.weight.numel() * 2
        self._norm = plain.norm
        bias = None if plain.bias is None else plain.bias.float()
        with _fbgemm:
            self._packed = torch.ops.quantized.linear_prepack_fp16(plain.weight.float().contiguous(), bias)
        self._multiply = _direct(torch.ops.quantized.linear_dynamic_fp16.default)

    def __call__(self, rows: Tensor, out: Tensor | None = None) -> Tensor:
        found: Tensor = self._multiply(rows if self._norm is None else self._norm(rows), self._packed)
        return found if out is None else out.copy_(found)


class Bfloat16Projection(Project):
    """bfloat16 weights in oneDNN's own layout, and inputs of any float dtype, to which the result is converted back.

    oneDNN reorders a plain weight at each call: one row of 896 → 9,728 takes 1.9 ms plain and 1.0 ms packed.
    """

    def __init__(self, plain: FloatProjection) -> None:
        self.nbytes = plain.weight.numel() * 2
        self._norm = plain.norm
        self._bias = None if plain.bias is None else plain.bias.bfloat16()
        self._packed = torch.ops.mkldnn._reorder_linear_weight(plain.weight.bfloat16().contiguous(), None)
        self._linear = _direct(torch.ops.mkldnn._linear_pointwise.default)

    def __call__(self, rows: Tensor, out: Tensor | None = None) -> Tensor:
        given = (rows if self._norm is None else self._norm(rows)).bfloat16()
        found: Tensor = self._linear(given, self._packed, self._bias, "none", [], "")
        return found.to(rows.dtype) if out is None else out.copy_(found)


def packs_bfloat16() -> bool:
    """Whether this torch can pack bfloat16 weights on this CPU, found out by trying."""
    try:
        packed = Bfloat16Projection(FloatProjection(torch.eye(32, dtype=torch.bfloat16)))
        return bool((packed(torch.ones(1, 32, dtype=torch.bfloat16)) == 1.0).all())
    except (RuntimeError, AttributeError):
        return False


def _direct(operation: Any) -> Callable[..., Any]:
    """An operation of torch without its overload object, which looks for arguments that only compilers use: 1 to 3 µs
    of the 13 to 20 µs that one row of 256 → 256 takes."""
    found: Callable[..., Any] = getattr(operation, "_op", operation)
    return found


@dataclass(frozen=True, slots=True)
class Kernel:
    """A way to compute projections: its name, the format and bytes of a weight, and how to make it from the float
    weight or, if `int8`, from the int8 form. Making or calling one may raise RuntimeError on a CPU that lacks what it
    needs."""

    name: str
    dtype: str
    item_bytes: int
    make: Callable[[Any], Project]
    packs: bool = False
    """Whether it copies the weight into a layout of its own."""

    @property
    def int8(self) -> bool:
        """Whether it is made from an Int8Weight."""
        return self.dtype == "int8"


FLOAT32 = Kernel("float32", "float32", 4, lambda plain: plain)

KERNELS: Mapping[str, Kernel] = {
    kernel.name: kernel
    for kernel in (
        Kernel("int8 fbgemm", "int8", 1, FbgemmProjection, packs=True),
        Kernel(
            "int8 fbgemm, 7 bits", "int8", 1, lambda weight: FbgemmProjection(weight, narrow=True), packs=True
        ),
        Kernel("int8 int_mm", "int8", 1, IntegerProjection),
        Kernel("int8 weights alone", "int8", 1, WeightOnlyProjection),
        Kernel("bfloat16", "bfloat16", 2, Bfloat16Projection, packs=True),
        Kernel("float16 weights", "float16", 2, Float16Projection, packs=True),
        FLOAT32,
    )
}
"""All kernels by name; of equally good ones, the first is preferred."""


@dataclass(slots=True)
class TwoKernels:
    """A projection that uses `few` for up to `limit` rows and `many` for more."""

    few: Project
    many: Project
    limit: int
    nbytes: int = field(init=False)

    def __post_init__(self) -> None:
        self.nbytes = self.few.nbytes + self.many.nbytes

    def __call__(self, rows: Tensor, out: Tensor | None = None) -> Tensor:
        return (self.few if rows.shape[0] <= self.limit else self.many)(rows, out)

    def add(self, rows: Tensor, onto: Tensor) -> None:
        """See `Project.add`."""
        (self.few if rows.shape[0] <= self.limit else self.many).add(rows, onto)


class _Fbgemm:
    """Makes FBGEMM torch's engine for quantised operations, a process-wide setting, while any thread is inside."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._before = ""

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside:
                self._before = torch.backends.quantized.engine
                torch.backends.quantized.engine = "fbgemm"
            self._inside += 1

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                torch.backends.quantized.engine = self._before


_fbgemm = _Fbgemm()


def _pack(codes: Tensor, scales: Tensor) -> Any:
    zeros = torch.zeros(codes.shape[0], dtype=torch.int64)
    with _fbgemm:
        tensor = torch._make_per_channel_quantized_tensor(codes, scales.double(), zeros, 0)
        return torch.ops.quantized.linear_prepack(tensor, None)
