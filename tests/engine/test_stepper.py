"""Requests through the stepper over the fake runner: the right tokens, one end each, nothing lost."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace

import pytest

from aix_lsp.engine.events import Failed, Finished
from aix_lsp.engine.step import OutOfMemory, Row
from tests.engine.bench import Bench, reasons
from tests.engine.fakes import FakeRunner, expected, request


def test_a_request_gets_the_models_tokens_and_one_end() -> None:
    bench = Bench()
    one = request(range(9), new=12)
    bench.add(one)
    bench.run()
    assert bench.texts(one) == [expected(one.sequences[0], 11, None)]
    assert reasons(bench.told[one]) == ["length"]
    end = bench.end(one)
    assert isinstance(end, Finished)
    assert (end.prompt_tokens, end.cached_tokens, end.completion_tokens) == (9, 0, 12)
    bench.check_clean()


def test_the_next_keystroke_computes_only_the_new_tokens() -> None:
    bench = Bench(FakeRunner(page_size=16))
    first, second = request(range(100), new=3), request([*range(100), 7], new=3)
    bench.add(first)
    bench.run()
    bench.add(second)
    bench.run()
    end = bench.end(second)
    assert isinstance(end, Finished) and end.cached_tokens == 100
    bench.check_clean()


def test_candidates_share_their_prompts_pages() -> None:
    bench = Bench(FakeRunner(pages=64, page_size=4), smallest_chunk=8, step_tokens=16)
    many = request([1, 2, 3, 4, 5] * 8, new=6, n=4, temperature=1.0)
    bench.add(many)
    bench.run()
    assert bench.texts(many) == [expected(s, 11, None) for s in many.sequences]
    assert [s.reused for s in many.sequences] == [0, 39, 39, 39]
    assert max(bench.runner.rows) == 4
    bench.check_clean()


def test_two_requests_for_one_prompt_at_once_compute_it_once() -> None:
    bench = Bench(FakeRunner(page_size=4), step_tokens=16, smallest_chunk=8)
    prompt = [*range(11)] * 4
    one, two = request(prompt), request([*prompt, 3])
    bench.add(one, two)
    bench.run()
    assert two.sequences[0].reused >= len(prompt) - 1
    assert bench.texts(two) == [expected(two.sequences[0], 11, None)]


def test_a_full_pool_preempts_and_loses_nothing() -> None:
    bench = Bench(FakeRunner(pages=12, page_size=4))
    crowd = [request([k, k + 1, k + 2] * 2, new=20) for k in range(5)]
    bench.add(*crowd)
    bench.run()
    for one in crowd:
        assert bench.texts(one) == [expected(one.sequences[0], 11, None)]
    assert bench.stepper.scheduler.sequences.preemptions > 0
    bench.check_clean()


def test_the_prompt_of_a_cancelled_request_stays_cached() -> None:
    bench = Bench()
    one = request(range(20), new=50)
    bench.add(one)
    for _ in range(5):
        bench.stepper.run_once()
    one.cancelled = True
    bench.stepper.end(one, "cancelled")
    assert reasons(bench.told[one]) == ["cancelled"]
    again = request(range(20), new=2)
    bench.add(again)
    bench.run()
    end = bench.end(again)
    assert isinstance(end, Finished) and end.cached_tokens == 19
    bench.check_clean()


def test_a_request_cancelled_during_a_step_gets_no_output_of_it() -> None:
    bench = Bench()
    one, other = request(range(8), new=9), request(range(3, 9), new=9)
    bench.add(one, other)

    def die(rows: Sequence[Row]) -> None:
        one.cancelled = True

    bench.runner.before = die
    bench.stepper.run_once()
    assert not bench.told[one] and bench.told[other]
    bench.stepper.end(one, "cancelled")
    bench.run()
    assert bench.texts(other) == [expected(other.sequences[0], 11, None)]
    bench.check_clean()


def test_a_step_that_nobody_wants_ends_between_layers() -> None:
    bench = Bench()
    one = request(range(8), new=9)
    bench.add(one)
    layers: list[int] = []

    def die(rows: Sequence[Row]) -> None:
        layers.append(1)
        one.cancelled = True
        bench.signals.raised += 1

    bench.runner.before = die
    bench.stepper.run_once()
    assert len(layers) == 1
    bench.stepper.end(one, "cancelled")
    bench.check_clean()


def test_background_work_yields_between_layers_to_new_requests() -> None:
    bench = Bench()
    warm, typed = request(range(8), priority=3), request(range(20, 30), priority=1)
    bench.add(warm)

    def come(rows: Sequence[Row]) -> None:
        bench.signals.foreground += 1
        bench.signals.raised += 1

    bench.runner.before = come
    bench.stepper.run_once()
    assert warm.sequences[0].computed == 0
    bench.runner.before = lambda rows: None
    bench.told[typed] = []
    bench.stepper.add(typed)
    bench.run()
    ends = [of for of in bench.told if isinstance(bench.end(of), Finished)]
    assert len(ends) == 2
    assert bench.texts(warm) == [expected(warm.sequences[0], 11, None)]


def test_a_deadline_ends_a_request_with_its_output_so_far(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(FakeRunner(pages=6000))
    # A step takes a millisecond, however busy the machine is.
    clock = SimpleNamespace(monotonic=lambda: bench.runner.steps / 1000)
    monkeypatch.setattr("aix_lsp.engine.stepper.time", clock)
    one = request(range(8), new=20_000, deadline=0.05)
    queued = request(range(8), deadline=-1)
    bench.add(one, queued)
    bench.run(100_000)
    assert reasons(bench.told[one]) == ["length"] and reasons(bench.told[queued]) == ["length"]
    assert 0 < len(bench.texts(one)[0]) < 20_000
    bench.check_clean()


def test_running_out_of_memory_shrinks_the_step_and_retries() -> None:
    bench = Bench(FakeRunner(pages=100))

    def short(rows: Sequence[Row]) -> None:
        if sum(len(row.tokens) for row in rows) > 64:
            raise OutOfMemory

    bench.runner.before = short
    one = request([*range(11)] * 9)
    bench.add(one)
    bench.run()
    assert bench.texts(one) == [expected(one.sequences[0], 11, None)]
    assert bench.stepper.scheduler.step_tokens < 64
    bench.check_clean()


def test_running_out_of_memory_again_fails_only_these_requests() -> None:
    bench = Bench()

    def short(rows: Sequence[Row]) -> None:
        if any(row.pages and row.tokens[0] == 7 for row in rows):
            raise OutOfMemory

    bench.runner.before = short
    bad, later = request([7, 8, 9]), request([1, 2, 3])
    bench.add(bad)
    bench.run()
    bench.add(later)
    bench.run()
    failed = bench.end(bad)
    assert isinstance(failed, Failed) and "memory" in failed.message
    assert isinstance(bench.end(later), Finished)
    bench.check_clean()


def test_a_failing_step_fails_its_requests_and_the_next_works() -> None:
    bench = Bench()

    def fail(rows: Sequence[Row]) -> None:
        raise RuntimeError("a kernel broke")

    one, later = request(range(6)), request(range(6))
    bench.runner.before = fail
    bench.add(one)
    bench.run()
    bench.runner.before = lambda rows: None
    bench.add(later)
    bench.run()
    assert isinstance(bench.end(one), Failed)
    assert bench.texts(later) == [expected(later.sequences[0], 11, None)]
    bench.check_clean()


def test_a_request_that_can_never_fit_fails_instead_of_waiting_forever() -> None:
    bench = Bench(FakeRunner(pages=3, page_size=4))
    huge = request(range(40))
    bench.add(huge)
    bench.run()
    failed = bench.end(huge)
    assert isinstance(failed, Failed) and "kvMemoryMb" in failed.message


def test_metrics_count_reuse_by_part() -> None:
    bench = Bench()
    parts = (("suffix", 12), ("prefix", 8))
    for _ in range(2):
        one = request(range(20))
        one.parts = parts
        bench.add(one)
        bench.run()
    text = bench.metrics.text().decode()
    assert 'aix_prompt_tokens_reused_total{part="suffix"} 12.0' in text
    assert 'aix_prompt_tokens_reused_total{part="prefix"} 7.0' in text
    assert 'aix_prompt_tokens_computed_total{part="prefix"} 9.0' in text
