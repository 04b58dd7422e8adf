"""Fits the simulator to real runs, checks it against other real runs, and predicts the load of 10,000 typists."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from benchmarks.team.replicas import Replica, team
from benchmarks.team.report import Row, first_text_ms, prefix_share, rate
from benchmarks.team.scenarios import Setting, at_work, pauses_at
from benchmarks.team.simulator import Case, Outcome, Sample, StepCost, simulate
from benchmarks.team.typists import Key, RequestRecord, Typist, files, type_all

_LOOK_S = 0.25
_COLUMNS = ("aix_step_seconds_count", "aix_step_rows_sum", "aix_step_tokens_sum")
MANY = 10_000
_ASKED = 0.4
"""The share of an editor's keys that needs the model: 193 of 486 (docs/benchmarks.md); others are answered at once."""
_BEARABLE_MS = 200.0


async def watch(replica: Replica, into: list[Mapping[str, float]]) -> None:
    """Read a replica's metrics repeatedly, until cancelled."""
    while True:
        with contextlib.suppress(OSError):
            into.append(await replica.metrics())
        await asyncio.sleep(_LOOK_S)


def fitted(readings: Sequence[Mapping[str, float]]) -> StepCost:
    """Least-squares fit of step times between readings, weighted by their inverse; no coefficient is negative."""
    rises = [
        [after[name] - before[name] for name in (*_COLUMNS, "aix_step_seconds_sum")]
        for before, after in pairwise(readings)
    ]
    table = np.array([rise for rise in rises if rise[0] > 0])
    if len(table) < 3:
        raise ValueError("too few steps to fit; type for longer (--seconds)")
    weights = 1.0 / np.maximum(table[:, 3], 1e-4)
    chosen = [0, 1, 2]
    found = np.zeros(3)
    while chosen:
        solution = np.linalg.lstsq(table[:, chosen] * weights[:, None], table[:, 3] * weights, rcond=None)[0]
        if (solution >= 0).all():
            found[chosen] = solution
            break
        chosen = [column for column, value in zip(chosen, solution, strict=True) if value > 0]
    first, last = readings[0], readings[-1]
    generated = last["aix_generated_tokens_total"] - first["aix_generated_tokens_total"]
    rows = last["aix_step_rows_sum"] - first["aix_step_rows_sum"]
    step_s, row_s, token_s = map(float, found)
    return StepCost(step_s, row_s, token_s, tokens_a_row=max(1.0, generated / max(rows, 1.0)))


def samples_of(asked: Sequence[RequestRecord]) -> list[Sample]:
    """Requests for the simulator to draw from; only those that found their prefix cached tell what was new."""
    return [
        Sample(one.prompt_tokens, max(1, one.prompt_tokens - one.cached_tokens), max(1, one.tokens))
        for one in asked
        if one.end == "complete" and one.met_prefix
    ]


async def simulation(setting: Setting) -> list[Row]:
    """Fit on one replica, check on two with the same typists, then simulate many more."""
    keys = files(setting.typists)
    async with team(2, setting.engine) as crew:
        urls = [replica.url for replica in crew.replicas]
        readings: list[Mapping[str, float]] = []
        typists = await at_work(crew, keys, urls[:1])
        watching = asyncio.create_task(watch(crew.replicas[0], readings))
        pauses, most = await pauses_at(typists, setting.seconds, 0.5)
        light = await type_all(typists[:1], setting.seconds, 1.0)
        calm = await type_all(typists, setting.seconds, pauses)
        watching.cancel()
        pool = await _pool_tokens(crew.replicas[0])
        await crew.leave()
        typists = await at_work(crew, keys, urls)
        checked = []
        for load in (0.5, 0.9):
            each = pauses * 0.25 / load
            checked.append((load, each, await type_all(typists, setting.seconds, each)))
    samples = samples_of([*calm, *light])
    if not samples:
        raise ValueError("no request met its prefix in so short a time; type for longer (--seconds)")
    case = _case(typists, keys, fitted(readings), samples, pool, pauses)
    alone = simulate(replace(case, typists=1, pauses=_pauses(keys, 1.0)))
    case = replace(
        case, cost=replace(case.cost, around_s=max(0.0, first_text_ms(light, 50) - alone.p(50)) / 1e3)
    )
    setting.say(f"  {case.cost}; one replica {most:.1f} a second at most")
    rows = []
    for load, each, real in checked:
        rows += _compared(
            f"2 replicas at {load:.0%} of two", real, setting.seconds, simulate(_of(case, keys, each))
        )
    return rows + _many(setting, case, keys)


def _case(
    typists: Sequence[Typist],
    keys: Sequence[Sequence[Key]],
    cost: StepCost,
    samples: Sequence[Sample],
    pool: int,
    pauses: float,
) -> Case:
    return Case(len(typists), 1, _pauses(keys, pauses), samples, cost, pool)


def _of(case: Case, keys: Sequence[Sequence[Key]], pauses: float) -> Case:
    return replace(case, replicas=2, pauses=_pauses(keys, pauses))


def _pauses(keys: Sequence[Sequence[Key]], times: float) -> list[float]:
    return [times * key.pause_s for typed in keys for key in typed]


async def _pool_tokens(replica: Replica) -> int:
    metrics = await replica.metrics()
    return 16 * int(
        sum(metrics[f'aix_pool_pages{{state="{state}"}}'] for state in ("free", "cached", "held"))
    )


def _compared(what: str, real: Sequence[RequestRecord], seconds: float, found: Outcome) -> list[Row]:
    p50, p95 = first_text_ms(real, 50), first_text_ms(real, 95)
    return [
        Row(
            f"{what}: suggestions a second, simulated against real",
            found.rate / max(rate(real, seconds), 1e-9),
            "×",
        ),
        Row(f"{what}: first text p50, simulated against {p50:.0f} ms", found.p(50) / p50, "×"),
        Row(f"{what}: first text p95, simulated against {p95:.0f} ms", found.p(95) / p95, "×"),
        Row(
            f"{what}: requests that meet their prefix, simulated less real",
            found.prefix_share - prefix_share(real),
        ),
    ]


def fewest(case: Case, bearable_ms: float) -> int:
    """The fewest replicas that keep the first text within that time for 95 %, to a twentieth."""

    def bearable(replicas: int) -> bool:
        return simulate(replace(case, replicas=replicas)).p(95) <= bearable_ms

    replicas = max(1, case.typists // 16)
    while not bearable(replicas) and replicas < case.typists:
        replicas = int(1.3 * replicas) + 1
    while replicas > 1 and bearable(min(int(0.95 * replicas), replicas - 1)):
        replicas = min(int(0.95 * replicas), replicas - 1)
    return replicas


def _many(setting: Setting, case: Case, keys: Sequence[Sequence[Key]]) -> list[Row]:
    """The fewest replicas with which 10,000 people typing see text in bearable time, found with a tenth of both."""
    crowd = replace(case, typists=MANY, pauses=_pauses(keys, 1 / _ASKED), seconds=6.0, warm_s=3.0)
    replicas = 10 * fewest(replace(crowd, typists=MANY // 10), _BEARABLE_MS)
    found = simulate(replace(crowd, replicas=replicas))
    while found.p(95) > _BEARABLE_MS and replicas < MANY:
        replicas = int(1.15 * replicas)
        found = simulate(replace(crowd, replicas=replicas))
    contrast = simulate(replace(crowd, replicas=replicas, routing="round robin"))
    setting.say(
        f"  {MANY:,} typists, {found.rate:.0f} suggestions a second, {replicas} replicas at {found.load:.0%}: "
        f"first text {found.p(50):.0f} and {found.p(95):.0f} ms; round robin {contrast.p(50):.0f} and "
        f"{contrast.p(95):.0f} ms at {contrast.load:.0%}"
    )
    return [
        Row(
            f"{MANY:,} typists: replicas of one thread for a first text p95 of {_BEARABLE_MS:.0f} ms",
            replicas,
        ),
        Row("  first text p95, affinity", found.p(95), "ms"),
        Row("  requests that meet their prefix, affinity", found.prefix_share),
        Row("  requests that meet their prefix, round robin", contrast.prefix_share),
        Row("  first text p95, affinity against round robin", found.p(95) / contrast.p(95), "×"),
    ]
