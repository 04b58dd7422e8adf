"""Measures the engine's overhead beside the model's steps, with many streams running: scheduling, cancelling, memory.

`python -m benchmarks.engine_load [--streams 16]`. Figures are the engine's own metrics over two phases: streams that
run to their end, and streams that are closed at random points. Exit status 1 if a goal is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from benchmarks.machine import announce
from benchmarks.scripts import scripts
from tests.client.own_engine import OwnEngine, completion_body, own_engine

TOKENS = 96
"""Tokens of each stream that runs to its end."""
ROUNDS = 4
"""Successive streams of each client."""

Metrics = Mapping[str, float]


@dataclass(frozen=True)
class Figure:
    """One figure, and its goal if there is one: an upper limit."""

    name: str
    value: float
    unit: str
    goal: float | None = None

    @property
    def reached(self) -> bool:
        return self.goal is None or self.value <= self.goal

    def row(self) -> str:
        goal = (
            "" if self.goal is None else f"   goal ≤ {self.goal:g}: {'reached' if self.reached else 'MISSED'}"
        )
        return f"  {self.name:52} {self.value:9.3f} {self.unit}{goal}"


def mean(before: Metrics, after: Metrics, name: str) -> float:
    """The mean of a histogram's observations between two readings."""
    count = after[f"aix_{name}_count"] - before[f"aix_{name}_count"]
    return (after[f"aix_{name}_sum"] - before[f"aix_{name}_sum"]) / count if count else float("nan")


def quantile(before: Metrics, after: Metrics, name: str, share: float) -> float:
    """The lowest bucket bound of a histogram that covers `share` of the observations between two readings."""
    head = f'aix_{name}_bucket{{le="'
    count = after[f"aix_{name}_count"] - before[f"aix_{name}_count"]
    for key, value in after.items():  # in the order of output: by rising bounds
        if key.startswith(head) and value - before.get(key, 0.0) >= share * count:
            return float(key.removeprefix(head).removesuffix('"}'))
    return float("nan")


async def run_whole(engine: OwnEngine, streams: int, texts: list[str]) -> None:
    """Run `streams` clients at once, each stream to its last token."""

    async def one(number: int) -> None:
        text = texts[number % len(texts)]
        for turn in range(ROUNDS):
            cursor = min(800 + 50 * number + 400 * turn, len(text))
            body = completion_body(text[:cursor], text[cursor : cursor + 300], TOKENS)
            await engine.whole(body | {"user": f"client {number}"})

    await asyncio.gather(*(one(number) for number in range(streams)))


async def run_cancelled(engine: OwnEngine, streams: int, texts: list[str], each: int) -> None:
    """Run `streams` clients at once, each closing `each` streams after a few events."""

    async def one(number: int) -> None:
        draw = random.Random(number)
        for _ in range(each):
            text = draw.choice(texts)
            cursor = draw.randrange(1, len(text))
            body = completion_body(text[max(0, cursor - 1200) : cursor], text[cursor : cursor + 300], TOKENS)
            left = draw.randrange(12)
            async with engine.completion(body | {"user": f"client {number}"}) as events:
                async for _ in events:
                    left -= 1
                    if left < 0:
                        break

    await asyncio.gather(*(one(number) for number in range(streams)))


async def measure(streams: int, each: int, engine_args: list[str]) -> list[Figure]:
    texts = [script.finished for script in scripts(200)]
    async with own_engine(*engine_args) as engine:
        memory = engine.memory_mib()
        start = await engine.metrics()
        await run_whole(engine, streams, texts)
        middle = await engine.metrics()
        await run_cancelled(engine, streams, texts, each)
        await engine.settled()
        end = await engine.metrics()
    cancelled = end['aix_requests_total{end="cancelled"}'] - middle['aix_requests_total{end="cancelled"}']
    scheduling = 1e3 * mean(start, middle, "schedule_seconds")
    yielded = (middle["aix_generated_tokens_total"] - start["aix_generated_tokens_total"]) / (
        middle["aix_step_seconds_count"] - start["aix_step_seconds_count"]
    )
    late = end["aix_tokens_after_cancel_total"] - middle["aix_tokens_after_cancel_total"]
    weights = end['aix_memory_bytes{part="weights"}'] / 2**20
    return [
        Figure("sequences in a step, mean", mean(start, middle, "step_rows"), ""),
        Figure("a step's forward pass, mean", 1e3 * mean(start, middle, "step_seconds"), "ms"),
        Figure("tokens that a step yields, mean", yielded, ""),
        Figure("scheduling a step, mean", scheduling, "ms", 0.5),
        Figure("scheduling, for each 16 tokens yielded", scheduling * 16 / yielded, "ms"),
        Figure("requests cancelled", cancelled, ""),
        Figure(
            "cancel to pages free, p95", quantile(middle, end, "cancel_to_free_steps", 0.95), "steps", 1.0
        ),
        Figure(
            "cancel to pages free, p95 (bucket)",
            1e3 * quantile(middle, end, "cancel_to_free_seconds", 0.95),
            "ms",
        ),
        Figure("tokens decoded after a cancel, per cancelled request", late / max(1.0, cancelled), "", 1.0),
        Figure("predicted step time, median relative error", end["aix_cost_model_relative_error"], ""),
        Figure("memory of the process when ready, MiB", memory, ""),
        Figure("  of it weights", weights, ""),
        Figure("  KV pool, taken as it is first written", end['aix_memory_bytes{part="pool"}'] / 2**20, ""),
        Figure("  beyond weights and pool, when ready", memory - weights, ""),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engine_load", description=__doc__)
    parser.add_argument("--streams", type=int, default=16)
    parser.add_argument("--each", type=int, default=40, help="requests of each client that are cancelled")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("engine", nargs="*", help="further arguments of the engine, after --")
    options = parser.parse_args()
    announce()
    figures = asyncio.run(measure(options.streams, options.each, options.engine))
    if options.json:
        print(json.dumps([asdict(figure) for figure in figures], indent=1))
    else:
        print(f"{options.streams} streams at once")
        print("\n".join(figure.row() for figure in figures))
    return 0 if all(figure.reached for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
