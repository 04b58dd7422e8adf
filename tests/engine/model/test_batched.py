"""Batched decoding and recorded steps, which GPUs use, compared on the CPU with row-by-row computation."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from aix_lsp.engine.model.assembled import Assembled
from aix_lsp.engine.model.graphs import GraphedForward
from aix_lsp.engine.model.kv import KvPool
from aix_lsp.engine.model.runner import TorchRunner
from aix_lsp.engine.step import Row, Sampled
from tests.engine.families import LEAN, VOCAB, assemble, build
from tests.engine.model.steps import stepped

CPU = torch.device("cpu")
PAGE = 4
LENGTHS = (3, 22, 9, 14, 5)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def assembled(case: str, lean: bool) -> Assembled:
    return assemble(build(case), "float32", 128, lean)


def pool_of(found: Assembled, clear: bool) -> KvPool:
    return KvPool(found.shapes, 60, PAGE, found.cache_dtype, CPU, clear=clear)


def prompts() -> list[list[int]]:
    generator = torch.Generator().manual_seed(5)
    return [torch.randint(3, VOCAB, (length,), generator=generator).tolist() for length in LENGTHS]


def pages(row: int) -> list[int]:
    """Scattered tables for all but the first row."""
    return list(range(10)) if row == 0 else [10 + row + 5 * at for at in range(10)]


def tops(step: list[list[Sampled]]) -> list[tuple[int, float]]:
    return [pair for sampled in step for one in sampled for pair in one.top]


def run(runner: TorchRunner) -> list[tuple[int, float]]:
    """Run a prefill, steps that mix chunks with decoding, and decoding of all rows; returns the likeliest tokens
    of each."""
    texts = prompts()
    found = tops(stepped(runner, [Row(text[:-2], 0, pages(at), outputs=0) for at, text in enumerate(texts)]))
    mixed = [
        Row(text[-2:] if at % 2 else text[-2:-1], len(text) - 2, pages(at), top_logprobs=4)
        for at, text in enumerate(texts)
    ]
    found += tops(stepped(runner, mixed))
    rows = [Row(text[-1:], len(text) - 1, pages(at), top_logprobs=4) for at, text in enumerate(texts)]
    found += tops(stepped(runner, rows))
    for count in (1, 2, 3):
        rows = [
            Row([7 + count], len(text), pages(at), outputs=int(at != 1), top_logprobs=4)
            for at, text in enumerate(texts[:count])
        ]
        found += tops(stepped(runner, rows))
    return found


def assert_same(found: list[tuple[int, float]], expected: list[tuple[int, float]]) -> None:
    assert [token for token, _ in found] == [token for token, _ in expected]
    assert [value for _, value in found] == pytest.approx([value for _, value in expected], abs=1e-4)


CASES = [("gemma2", False), ("gpt_oss", False), ("deepseek_v3", False), ("starcoder2", False)]


@pytest.mark.parametrize(("case", "lean"), [*CASES, *((case, True) for case in LEAN)])
def test_batched_rows_equal_single_ones(case: str, lean: bool) -> None:
    found = assembled(case, lean)
    usual = run(TorchRunner(found.forward, pool_of(found, False), found.vocab_size, 128))
    assert_same(
        run(TorchRunner(found.forward, pool_of(found, True), found.vocab_size, 128, batched=True)), usual
    )


class Repeating:
    """A recorder that counts, and computes again instead of replaying."""

    def __init__(self) -> None:
        self.recorded = 0
        self.replayed = 0

    def __call__(self, compute: Callable[[], Tensor]) -> tuple[Callable[[], object], Tensor]:
        self.recorded += 1
        result = compute().clone()

        def replay() -> None:
            self.replayed += 1
            result.copy_(compute())

        return replay, result


@pytest.mark.parametrize("case", LEAN)
def test_recorded_steps_equal_usual_ones(case: str) -> None:
    found = assembled(case, lean=True)
    usual = run(TorchRunner(found.forward, pool_of(found, False), found.vocab_size, 128))
    pool = pool_of(found, True)
    recorder = Repeating()
    runner = TorchRunner(
        GraphedForward(found.forward, pool, recorder), pool, found.vocab_size, 128, batched=True
    )
    for _ in range(2):
        assert_same(run(runner), usual)
    # Five rows count as eight, three as four; each shape is recorded once.
    assert recorder.recorded == 4
    assert recorder.replayed == 2 * 4


def test_recorded_steps_leave_other_pages_alone() -> None:
    """Rows that fill up a recorded shape write to the spare page only."""
    found = assembled("llama", lean=True)
    pool = pool_of(found, True)
    runner = TorchRunner(
        GraphedForward(found.forward, pool, Repeating()), pool, found.vocab_size, 128, batched=True
    )
    before = [part[:, :, : 60 * PAGE].clone() for part in pool.buffers(0)]
    runner.step([Row([5], 0, [3]), Row([6], 0, [9]), Row([7], 0, [11])])
    for old, new in zip(before, pool.buffers(0), strict=True):
        changed = (old != new[:, :, : 60 * PAGE]).any(-1).any(1)[0].nonzero()[:, 0].tolist()
        assert changed == [3 * PAGE, 9 * PAGE, 11 * PAGE]


def test_an_abort_comes_before_a_recorded_step() -> None:
    found = assembled("llama", lean=True)
    pool = pool_of(found, True)
    recorder = Repeating()
    runner = TorchRunner(
        GraphedForward(found.forward, pool, recorder), pool, found.vocab_size, 128, batched=True
    )
    assert runner.step([Row([5], 0, [3])], lambda: True) is None
    assert recorder.recorded == 0
