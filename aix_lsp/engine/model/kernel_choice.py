"""Chooses the kernels for a model's projections by trying them on some of its weights on this machine.

A kernel must first be correct on this CPU with these weights; then its speed counts, separately for few and many rows.
Knows kernels and timing, no model structure.
"""

from __future__ import annotations

import logging
import math
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from aix_lsp.engine.model.kernels import FLOAT32, KERNELS, Kernel, TwoKernels
from aix_lsp.engine.model.projection import FloatProjection, Project
from aix_lsp.engine.model.quantize import Int8Weight
from aix_lsp.models.fit import Speed, remember

log = logging.getLogger(__name__)

MOST_ERROR = 0.02
"""Relative error of a row. Correct kernels err by up to 0.4 % (those that use bfloat16), sums that overflow 16 bits by
3 to 16 %."""

FEW, SOME, MANY = 1, 4, 128
_BETWEEN = 16
_ROWS = (FEW, SOME, _BETWEEN, MANY)
_DECODED_STEPS = 16
"""Steps of few rows per chunk of many rows, as in a suggestion."""

_ONE_THREAD = time.perf_counter if sys.platform == "win32" else time.thread_time
"""Seconds of one thread: processor time, except on Windows, which counts it in steps of 16 ms."""
_ROUNDS = 2
_MOST_ROUNDS = 30
_BUDGET_S = 1.0
_SMALL = 20_000_000
_SMALL_BUDGET_S = 0.25
"""Time budget for small models: a fresh installation's first start must not be delayed."""
_HOPELESS = 2.5
_MEASURED_WEIGHTS = 24_000_000
_EXTRA_BYTES = 128 << 20
"""What a second set of weights may take: 128 MiB do not matter on a computer that runs models."""


@dataclass(frozen=True, slots=True)
class Measured:
    """Measurements of a kernel: the largest error, or why it does not run; seconds by number of rows, unless wrong."""

    name: str
    error: float = math.inf
    failure: str = ""
    seconds: Mapping[int, float] | None = None

    @property
    def right(self) -> bool:
        """Whether it may be used."""
        return self.seconds is not None and self.error <= MOST_ERROR


@dataclass(frozen=True, slots=True)
class KernelChoice:
    """The kernel for up to `limit` rows and the one for more rows, by name."""

    few: str
    many: str
    limit: int

    def make(self, plain: FloatProjection | None, weight: Int8Weight | None) -> Project:
        """The projection with these kernels, from its float and its int8 form; either may be None if no kernel needs
        it."""
        few, many = self.kernels
        made = few.make(weight if few.int8 else plain)
        if few is many:
            return made
        return TwoKernels(made, many.make(weight if many.int8 else plain), self.limit)

    @property
    def needs_int8(self) -> bool:
        """Whether one of the kernels is made from the weight's int8 form."""
        return any(kernel.int8 for kernel in self.kernels)

    @property
    def needs_float(self) -> bool:
        """Whether one of the kernels is made from the weight's float form."""
        return not all(kernel.int8 for kernel in self.kernels)

    @property
    def head(self) -> KernelChoice:
        """The choice for the model's head, which computes few rows only."""
        return KernelChoice(self.few, self.few, self.limit)

    @property
    def kernels(self) -> tuple[Kernel, Kernel]:
        return KERNELS[self.few], KERNELS[self.many]

    @property
    def dtype(self) -> str:
        """The format of the weights that decoding uses."""
        return KERNELS[self.few].dtype

    def __str__(self) -> str:
        return self.few if self.few == self.many else f"{self.few} (few rows), {self.many} (many)"


ALL_FLOAT32 = KernelChoice(FLOAT32.name, FLOAT32.name, MANY)


def candidates(dtype: str, excluded: Iterable[str] = ()) -> list[Kernel]:
    """The kernels that the setting `dtype` permits (`auto`: all), except the excluded ones."""
    return [k for k in KERNELS.values() if dtype in ("auto", k.dtype) and k.name not in excluded]


@torch.inference_mode()
def measure(
    parts: Sequence[FloatProjection],
    kernels: Sequence[Kernel],
    clock: Callable[[], float] | None = None,
) -> list[Measured]:
    """Try the kernels on some projections, which should have observed inputs, and time the correct ones.

    One thread is measured in processor time, which other programs do not lengthen: the result is stored, and computers
    are often busy when an editor starts. `clock` (seconds) replaces both processor and wall time.
    """
    chosen = [_copy(part) for part in _some(parts)]
    inputs = [_inputs(part) for part in chosen]
    quantised = [Int8Weight.of(part) for part in chosen] if any(k.int8 for k in kernels) else []
    # The check of the whole model judges the loss by rounding; here a kernel must compute what the int8 form means.
    meant = [FloatProjection(one.weight(), one.bias, one.norm) for one in quantised]
    for part in chosen:
        part.seen = None  # observing inputs takes time
    made: dict[str, list[Project]] = {}
    found: dict[str, Measured] = {}
    for kernel in kernels:
        if kernel.name.startswith(tuple(made)):
            continue  # the narrow variant of a correct kernel
        try:
            projections = [kernel.make(source) for source in (quantised if kernel.int8 else chosen)]
            error = max(map(_error, projections, meant if kernel.int8 else chosen, inputs))
        except (RuntimeError, AttributeError, NotImplementedError, ValueError) as failure:
            found[kernel.name] = Measured(kernel.name, failure=(str(failure) or "failed").splitlines()[0])
            continue
        found[kernel.name] = Measured(kernel.name, error)
        if error <= MOST_ERROR:
            made[kernel.name] = projections
    for name, seconds in _times(made, inputs, clock).items():
        found[name] = Measured(name, found[name].error, seconds=seconds)
    for one in found.values():
        log.info("kernel %s", describe(one))
    return list(found.values())


def remember_speed(
    choice: KernelChoice, measured: Iterable[Measured], parts: Sequence[FloatProjection]
) -> None:
    """Store the speed of the chosen kernels, from which `aix-lsp models` estimates the speed of other models."""
    found = {one.name: one.seconds for one in measured if one.seconds is not None}
    if choice.few not in found or choice.many not in found:
        return
    few, many = found[choice.few], found[choice.many]
    seconds = {rows: (few if rows <= choice.limit else many)[rows] for rows in _ROWS}
    weights = sum(part.weight.numel() for part in _some(parts))
    try:
        remember(Speed(weights, seconds))
    except OSError as error:
        log.info("the kernels' speed could not be saved (%s)", error)


def describe(one: Measured) -> str:
    """A line for people."""
    if one.failure:
        return f"{one.name}: does not run here ({one.failure})"
    if one.seconds is None or not one.right:
        return f"{one.name}: wrong by {one.error:.1%}"
    times = ", ".join(f"{rows} rows {seconds * 1e3:.2f} ms" for rows, seconds in one.seconds.items())
    return f"{one.name}: error {one.error:.2%}, {times}"


def choose(measured: Iterable[Measured], weight_count: int) -> KernelChoice:
    """The two kernels that take the least time for a suggestion, of those that are correct and fit in memory.

    A second set of weights, or one larger than int8, may take 128 MiB more than int8 alone. float32 is the fallback if
    nothing else is correct.
    """
    right = {one.name: one.seconds for one in measured if one.right and one.seconds is not None}
    if not right:
        return ALL_FLOAT32
    pairs = [(few, many) for few in right for many in right]
    least = min(_bytes(few, many, weight_count) for few, many in pairs)
    fitting = [pair for pair in pairs if _bytes(*pair, weight_count) <= least + _EXTRA_BYTES]
    few, many = min(fitting, key=lambda pair: _suggestion(right[pair[0]], right[pair[1]]))
    limit = _BETWEEN // 2 if right[many][_BETWEEN] < right[few][_BETWEEN] else 3 * _BETWEEN
    return KernelChoice(few, many, limit)


def _suggestion(few: Mapping[int, float], many: Mapping[int, float]) -> float:
    return _DECODED_STEPS * (few[FEW] + few[SOME]) / 2 + many[MANY]


def _bytes(few: str, many: str, weight_count: int) -> int:
    return weight_count * sum(KERNELS[name].item_bytes for name in {few, many})


def _some(parts: Sequence[FloatProjection]) -> list[FloatProjection]:
    """Enough projections to exceed the CPU's caches, or all."""
    chosen: list[FloatProjection] = []
    total = 0
    for part in parts:
        if total >= _MEASURED_WEIGHTS:
            break
        chosen.append(part)
        total += part.weight.numel()
    return chosen


def _copy(part: FloatProjection) -> FloatProjection:
    bias = None if part.bias is None else part.bias.float()
    copy = FloatProjection(part.weight.float(), bias, part.norm)
    copy.seen = part.seen
    return copy


def _inputs(part: FloatProjection) -> Tensor:
    """Random rows whose columns have the magnitudes that the projection has observed, before its norm."""
    width = part.weight.shape[1]
    rows = torch.randn(MANY, width, generator=torch.Generator().manual_seed(width))
    if part.seen is not None:
        rows.mul_(part.seen.sqrt().clamp_min_(1e-6))
    if part.norm is not None:
        weight = part.norm.weight.float()
        rows.div_(torch.where(weight.abs() < 1e-3, torch.ones_like(weight), weight))
    return rows


def _error(project: Project, plain: FloatProjection, rows: Tensor) -> float:
    """The worst row's relative error, for single rows and for several at once."""
    expected = plain(rows[:SOME])
    alone = torch.cat([project(row[None]).clone() for row in rows[:SOME]])
    error = 0.0
    for found in (alone, project(rows)[:SOME]):
        if not bool(found.isfinite().all()):
            return math.inf
        error = max(error, float(((found - expected).norm(dim=-1) / expected.norm(dim=-1)).max()))
    return error


def _times(
    made: Mapping[str, Sequence[Project]], inputs: Sequence[Tensor], clock: Callable[[], float] | None
) -> dict[str, dict[int, float]]:
    """Seconds for all projections by kernel and number of rows, with one thread or all; the best of several rounds.

    In turns, so that a passing load on the machine affects all kernels; hopeless ones are dropped after the first
    round.
    """
    best: dict[str, dict[int, float]] = {name: dict.fromkeys(_ROWS, math.inf) for name in made}
    most = torch.get_num_threads()
    small = sum(given.shape[1] ** 2 for given in inputs) < _SMALL
    budget = _SMALL_BUDGET_S if small else _BUDGET_S
    wall = clock or time.perf_counter
    for rows in _ROWS:
        tried, begin, rounds = list(made), wall(), 0
        while tried and rounds < _MOST_ROUNDS and (rounds < _ROUNDS or wall() - begin < budget):
            for threads in sorted({1, most}):
                torch.set_num_threads(threads)
                timer = clock or (_ONE_THREAD if threads == 1 else time.perf_counter)
                for name in tried:
                    best[name][rows] = min(best[name][rows], _time(made[name], inputs, rows, timer))
            rounds += 1
            least = min(best[name][rows] for name in tried)
            tried = [name for name in tried if best[name][rows] <= _HOPELESS * least]
    torch.set_num_threads(most)
    return best


def _time(
    projections: Sequence[Project], inputs: Sequence[Tensor], rows: int, clock: Callable[[], float]
) -> float:
    begin = clock()
    for project, given in zip(projections, inputs, strict=True):
        project(given[:rows])
    return clock() - begin
