"""Sends mutated requests to the real engine's HTTP interface: see benchmarks/http_fuzz.py."""

from __future__ import annotations

from benchmarks.campaign.outcome import Order, Outcome
from benchmarks.campaign.programs import terminate
from benchmarks.http_fuzz import fuzz
from tests.client.own_engine import own_engine

AT_ONCE = 8
_ROUND = 200
"""Requests per seed: this many are sent again to reproduce a finding."""


async def run(order: Order) -> Outcome:
    """Send `order.count` requests, several at a time, in rounds with a seed each."""
    outcome, statuses, slowest = Outcome("http", unit="requests"), dict[int, int](), 0.0
    async with own_engine("--kv-memory-mb", "64") as engine:
        seed = order.seed
        while outcome.tried < order.count and not order.expired:
            many = min(_ROUND, order.count - outcome.tried)
            results = await fuzz(engine, seed, many, AT_ONCE)
            for wrong in results.wrong:
                outcome.find(seed, wrong[:600])
            for status, count in results.statuses.items():
                statuses[status] = statuses.get(status, 0) + count
            slowest = max(slowest, results.slowest_health_ms)
            outcome.tried += many
            outcome.memory.append(engine.memory_mib())
            seed += 1
        outcome.notes.append(
            "answers: " + ", ".join(f"{n:,} of {status}" for status, n in sorted(statuses.items()))
        )
        outcome.notes.append(f"slowest /health meanwhile: {slowest:.0f} ms")
        outcome.check_memory(order.seed, "the engine")
        await terminate(engine.process, outcome, order.seed, order.end_within_s)
    return outcome
