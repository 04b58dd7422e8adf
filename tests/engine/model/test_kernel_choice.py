"""The choice of kernels, with fakes that are deliberately slow, wrong or fail to run."""

from __future__ import annotations

import sys
import threading
import time
from functools import partial
from typing import Any

import pytest
import torch

from aix_lsp.engine.model import kernel_choice
from aix_lsp.engine.model.kernel_choice import KernelChoice, Measured, choose, describe, measure
from aix_lsp.engine.model.kernels import KERNELS, Kernel, TwoKernels
from aix_lsp.engine.model.projection import FloatProjection
from aix_lsp.engine.model.quantize import Int8Weight


class Clock:
    """A clock that advances only while a fake kernel computes."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Fake:
    """A float kernel that takes `fixed` seconds plus `each` per row, and may be wrong."""

    def __init__(
        self, clock: Clock, plain: FloatProjection, fixed: float, each: float, factor: float = 1.0
    ) -> None:
        self.nbytes = plain.weight.nbytes
        self._clock, self._plain, self._fixed, self._each, self._factor = clock, plain, fixed, each, factor

    def __call__(self, rows: torch.Tensor, out: torch.Tensor | None = None) -> torch.Tensor:
        self._clock.now += self._fixed + self._each * len(rows)
        return self._plain(rows) * self._factor

    def add(self, rows: torch.Tensor, onto: torch.Tensor) -> None:
        onto.add_(self(rows))


class Fakes:
    """Fake kernels by name, in place of the real ones."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.kernels: dict[str, Kernel] = {}

    def __call__(self, name: str, item_bytes: int, fixed: float, each: float, factor: float = 1.0) -> None:
        def make(plain: FloatProjection) -> Fake:
            return Fake(self.clock, plain, fixed, each, factor)

        self.kernels[name] = Kernel(name, "float32", item_bytes, make)


@pytest.fixture
def fakes(monkeypatch: pytest.MonkeyPatch) -> Fakes:
    fakes = Fakes()
    monkeypatch.setattr(kernel_choice, "KERNELS", fakes.kernels)
    return fakes


def part(width: int = 64) -> FloatProjection:
    plain = FloatProjection(torch.randn(48, width, generator=torch.Generator().manual_seed(1)))
    plain.seen = torch.ones(width)
    return plain


def found(fakes: Fakes, count: int = 1_000_000) -> KernelChoice:
    return choose(measure([part()], list(fakes.kernels.values()), fakes.clock), count)


def test_the_fastest_for_few_rows_and_the_fastest_for_many(fakes: Fakes) -> None:
    fakes("for few", 1, 0.001, 0.01)
    fakes("for many", 2, 0.05, 0.0001)
    fakes("neither", 1, 0.06, 0.02)
    choice = found(fakes)
    assert (choice.few, choice.many) == ("for few", "for many")
    assert choice.limit < 16


def test_a_kernel_that_is_fastest_at_both_is_used_alone(fakes: Fakes) -> None:
    fakes("good", 1, 0.001, 0.001)
    fakes("slow", 1, 0.01, 0.01)
    assert found(fakes) == KernelChoice("good", "good", 48)


def test_a_wrong_kernel_is_not_chosen_however_fast(fakes: Fakes) -> None:
    fakes("wrong", 1, 0.0, 1e-6, factor=1.04)
    fakes("right", 1, 0.1, 0.1)
    measured = measure([part()], list(fakes.kernels.values()), fakes.clock)
    assert [one.right for one in measured] == [False, True]
    assert describe(measured[0]) == "wrong: wrong by 4.0%"
    assert choose(measured, 1_000_000).few == "right"


def test_a_kernel_that_does_not_run_here_is_reported(fakes: Fakes) -> None:
    def refuse(plain: FloatProjection) -> Any:
        raise RuntimeError("needs avx512bw\nand more")

    fakes("right", 1, 0.1, 0.1)
    fakes.kernels["refusing"] = Kernel("refusing", "bfloat16", 2, refuse)
    measured = measure([part()], list(fakes.kernels.values()), fakes.clock)
    assert describe(measured[1]) == "refusing: does not run here (needs avx512bw)"
    assert choose(measured, 1_000_000).many == "right"


def test_if_none_is_right_float32_remains(fakes: Fakes) -> None:
    fakes("wrong", 1, 0.0, 0.0, factor=2.0)
    choice = found(fakes)
    assert (choice.few, choice.many) == ("float32", "float32")


def test_a_second_set_of_weights_must_fit(fakes: Fakes) -> None:
    fakes("for few", 1, 0.001, 0.01)
    fakes("for many", 2, 0.05, 0.0001)
    small, large = 60_000_000, 500_000_000
    assert found(fakes, small).many == "for many"
    one = found(fakes, large)
    assert one.few == one.many == "for few"


def test_a_narrow_variant_is_tried_only_if_the_wide_one_is_wrong(fakes: Fakes) -> None:
    fakes("fake", 1, 0.1, 0.1, factor=1.1)
    fakes("fake, 7 bits", 1, 0.2, 0.2)
    assert found(fakes).few == "fake, 7 bits"
    fakes("fake", 1, 0.1, 0.1)
    measured = measure([part()], list(fakes.kernels.values()), fakes.clock)
    assert [one.name for one in measured] == ["fake"]


class Interrupted(Fake):
    """A kernel that waits instead of computing, as if other programs used the processor."""

    def __call__(self, rows: torch.Tensor, out: torch.Tensor | None = None) -> torch.Tensor:
        threading.Event().wait(0.01)
        return self._plain(rows)


class Working(Fake):
    """A kernel that computes longer than the other one, and never waits."""

    def __call__(self, rows: torch.Tensor, out: torch.Tensor | None = None) -> torch.Tensor:
        end = time.thread_time() + 0.003
        while time.thread_time() < end:
            pass
        return self._plain(rows)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows counts a thread's time in steps of 16 ms")
def test_time_taken_by_other_programs_does_not_count(fakes: Fakes) -> None:
    torch.set_num_threads(1)
    for name, made in {"interrupted": Interrupted, "working": Working}.items():
        fakes.kernels[name] = Kernel(name, "float32", 1, partial(made, Clock(), fixed=0.0, each=0.0))
    measured = measure([part()], list(fakes.kernels.values()))
    assert choose(measured, 1_000_000) == KernelChoice("interrupted", "interrupted", 48)


def test_the_real_kernels_are_measured_on_some_of_the_weights() -> None:
    torch.set_num_threads(1)
    parts = [part(96) for _ in range(3)]
    measured = measure(parts, list(KERNELS.values()))
    assert any(one.right for one in measured)
    assert all(one.seconds is None or set(one.seconds) == {1, 4, 16, 128} for one in measured)
    assert all(one.seen is not None for one in parts)
    choice = choose(measured, 3 * 48 * 96)
    project = choice.make(parts[0], Int8Weight.of(parts[0]))
    rows = torch.randn(70, 96)
    for count in (1, 70):
        expected = rows[:count] @ parts[0].weight.T
        assert float((project(rows[:count]) - expected).norm() / expected.norm()) < 0.02


def test_two_kernels_switch_at_their_limit() -> None:
    calls: list[tuple[str, int]] = []

    class Noting:
        nbytes = 5

        def __init__(self, name: str) -> None:
            self.name = name

        def __call__(self, rows: torch.Tensor, out: torch.Tensor | None = None) -> torch.Tensor:
            calls.append((self.name, len(rows)))
            return rows

        def add(self, rows: torch.Tensor, onto: torch.Tensor) -> None:
            calls.append((self.name, -len(rows)))

    both = TwoKernels(Noting("few"), Noting("many"), limit=8)
    assert both.nbytes == 10
    for count in (1, 8, 9):
        both(torch.zeros(count, 1))
        both.add(torch.zeros(count, 1), torch.zeros(count, 1))
    assert calls == [("few", 1), ("few", -1), ("few", 8), ("few", -8), ("many", 9), ("many", -9)]


def test_a_measurement_without_times_is_not_right() -> None:
    assert not Measured("x", 0.0).right
