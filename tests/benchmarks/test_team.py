"""The team server's load test: figures from what typists experienced, the simulator, and its fit."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncGenerator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aix_lsp.backends.base import BackendError, Delta, GenerateRequest, Usage
from benchmarks.team.fit import fewest, fitted
from benchmarks.team.report import (
    Row,
    count,
    errors,
    first_text_ms,
    prefix_share,
    rate,
    regained_s,
    table,
)
from benchmarks.team.simulator import Case, Sample, StepCost, simulate
from benchmarks.team.typists import RequestRecord, Typist, files, in_bursts, steadily, type_all

COST = StepCost(0.003, 0.0006, 0.00015, 1.5, 0.003)


def asked(at: float, end: str = "complete", **more: object) -> RequestRecord:
    found = RequestRecord("ann", "default", at, True, end=end, ended_at=at + 0.1)  # type: ignore[arg-type]
    for name, value in more.items():
        setattr(found, name, value)
    return found


def test_figures() -> None:
    ones = [
        asked(0, first_ms=10.0, waited_ms=50.0, prompt_tokens=100, cached_tokens=90),
        asked(1, first_ms=30.0, waited_ms=50.0, prompt_tokens=100, cached_tokens=49),
        asked(2, "overtaken", waited_ms=400.0),
        asked(3, "error", message="no"),
        asked(4, "lost"),
    ]
    assert rate(ones, 2.0) == 1.0 and prefix_share(ones) == 0.5
    assert (first_text_ms(ones, 50), first_text_ms(ones, 95)) == (30.0, 400.0)
    assert count(ones, "lost", "error") == 2 and errors(ones) == ["no"]
    assert len(table(ones, lambda one: one.user)) == 2 and math.isnan(prefix_share([]))


def test_when_the_rate_of_answers_has_recovered() -> None:
    steady = [asked(at / 10) for at in range(100)]
    gap = [one for one in [*steady, *(asked(10 + at / 10) for at in range(200))] if not 10 <= one.at < 14]
    assert regained_s(gap, 10.0, 30.0) == pytest.approx(6.0, abs=0.5)
    assert math.isnan(regained_s(steady, 10.0, 30.0))


def test_goals_are_lower_or_upper_bounds() -> None:
    assert Row("x", 2.0, goal=1.8, at_most=False).reached and not Row("x", 2.0, goal=1.8).reached
    assert not Row("x", math.nan, goal=1.0).reached and Row("x", 9.0).reached


def test_typists_type_real_files_as_the_replays_hands_do() -> None:
    one, other = files(2)
    assert one[0].prompt.path != other[0].prompt.path and len(one) > 20
    assert not one[0].continues and one[1].continues and all(key.pause_s > 0 for key in one)
    assert {in_bursts(at / 10) for at in range(80)} == {3.0, 1 / 3}


class Answers:
    """A backend that answers at once, fails, or never does."""

    def __init__(self, kind: str) -> None:
        self.kind = kind

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Delta | Usage]:
        if self.kind == "fails":
            raise BackendError("no")
        yield Delta("x")
        if self.kind == "hangs":
            await asyncio.Event().wait()
        yield Usage(100, 90, 3)


@pytest.mark.parametrize(("kind", "ends"), [("answers", {"complete"}), ("fails", {"error"})])
async def test_how_each_request_ended(kind: str, ends: set[str]) -> None:
    [keys] = files(1)
    typist = Typist("ann", keys, Answers(kind))
    found = await type_all([typist], 1.0, 0.05)
    assert found and {one.end for one in found} == ends


async def test_the_next_key_closes_the_request_before_it() -> None:
    [keys] = files(1)
    typist = Typist("ann", keys, Answers("hangs"))
    typing = asyncio.create_task(typist.type(60.0, 0.01, steadily, time.perf_counter()))
    async with asyncio.timeout(60):
        while sum(one.end == "overtaken" for one in typist.asked) < 3:
            await asyncio.sleep(0.01)
    typing.cancel()
    assert all(one.first_ms is not None for one in typist.asked if one.end == "overtaken")


def test_the_fit_finds_what_steps_cost() -> None:
    readings, totals = [], [0.0, 0.0, 0.0]
    for number in range(20):
        steps, rows, tokens = 10 + number, (10 + number) * (1 + number % 5), 500 * (number % 7) + 100
        totals = [a + b for a, b in zip(totals, (steps, rows, tokens), strict=True)]
        seconds = 0.004 * totals[0] + 0.0005 * totals[1] + 0.0002 * totals[2]
        readings.append(
            {
                "aix_step_seconds_count": totals[0],
                "aix_step_rows_sum": totals[1],
                "aix_step_tokens_sum": totals[2],
                "aix_step_seconds_sum": seconds,
                "aix_generated_tokens_total": 2 * totals[1],
            }
        )
    found = fitted(readings)
    assert (found.step_s, found.row_s, found.token_s) == pytest.approx((0.004, 0.0005, 0.0002))
    assert found.tokens_a_row == pytest.approx(2.0)


def case(**more: object) -> Case:
    given: dict[str, object] = {
        "typists": 32,
        "replicas": 2,
        "pauses": [1.0, 0.3, 2.0],
        "samples": [Sample(900, 3, 12)],
        "cost": COST,
        "pool_tokens": 20_000,
        "seconds": 20.0,
    }
    return Case(**(given | more))  # type: ignore[arg-type]


def test_affinity_keeps_prefixes_where_round_robin_loses_them() -> None:
    affinity, contrast = simulate(case()), simulate(case(routing="round robin"))
    assert affinity.prefix_share > 0.95 > contrast.prefix_share
    assert affinity.p(95) < 0.6 * contrast.p(95) and affinity.load < contrast.load
    big = simulate(case(routing="round robin", pool_tokens=100_000))
    assert big.prefix_share > 0.9  # if every pool holds every document, there is little to lose


@settings(max_examples=20)
@given(
    st.integers(1, 40), st.integers(1, 4), st.sampled_from(["affinity", "round robin"]), st.integers(0, 99)
)
def test_every_simulated_request_ends_once(typists: int, replicas: int, routing: str, seed: int) -> None:
    found = simulate(case(typists=typists, replicas=replicas, routing=routing, seed=seed, seconds=5.0))
    assert found.complete + found.overtaken >= len(found.first_ms) - typists
    assert 0.0 <= found.load <= 1.05 and found.met_prefix <= found.continued


def test_more_replicas_are_never_much_slower() -> None:
    times = [simulate(case(replicas=replicas, typists=64)).p(95) for replicas in (1, 2, 4, 8)]
    assert times[0] > times[1] > times[3]


def test_the_smallest_number_of_replicas_that_is_fast_enough() -> None:
    few = fewest(case(typists=48, seconds=5.0), 100.0)
    assert 1 < few < 48
    assert simulate(case(typists=48, seconds=5.0, replicas=few)).p(95) <= 100.0
    assert fewest(case(typists=1, seconds=5.0), 1e6) == 1
