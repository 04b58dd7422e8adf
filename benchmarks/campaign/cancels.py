"""Sends thousands of short requests from several clients to the real engine, and drops many of them in mid-stream."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from typing import Any

from benchmarks.campaign.outcome import Order, Outcome
from benchmarks.campaign.programs import terminate
from benchmarks.scripts import Script, scripts
from tests.client.own_engine import OwnEngine, completion_body, ends, own_engine

CLIENTS = 8
KV_MEMORY_MIB = 64
"""Small enough for the first requests to fill: the pool's pages only take memory when first written to."""
_SAMPLED_EVERY = 100


async def run(order: Order) -> Outcome:
    """Every request ends exactly once, also by the engine's own count; at the end, no page is held."""
    outcome = Outcome("cancels", unit="requests")
    counts: Counter[str] = Counter()
    files = scripts(200)
    async with own_engine("--kv-memory-mb", str(KV_MEMORY_MIB)) as engine:
        before = await engine.metrics()
        await asyncio.gather(*(_client(n, engine, order, outcome, counts, files) for n in range(CLIENTS)))
        metrics = await engine.settled()
        counted = ends(before, metrics)
        if sum(counted.values()) != outcome.tried:
            outcome.find(order.seed, f"{outcome.tried} requests, but {sum(counted.values())} ends: {counted}")
        if held := metrics.get('aix_pool_pages{state="held"}', 0):
            outcome.find(order.seed, f"{held:.0f} pages are still held")
        outcome.notes.append(", ".join(f"{count:,} {how}" for how, count in sorted(counts.items())))
        outcome.notes.append(f"the engine counts {counted}")
        outcome.check_memory(order.seed, "the engine")
        await terminate(engine.process, outcome, order.seed, order.end_within_s)
    return outcome


async def _client(
    number: int, engine: OwnEngine, order: Order, outcome: Outcome, counts: Counter[str], files: list[Script]
) -> None:
    """Send requests, each at some place in some file, and drop some of them."""
    draw = random.Random(f"{order.seed} {number}")
    while outcome.tried < order.count and not order.expired:
        outcome.tried += 1
        text = draw.choice(files).finished
        cursor = draw.randrange(1, len(text))
        body = completion_body(
            text[max(0, cursor - draw.choice((100, 400, 1200))) : cursor],
            text[cursor : cursor + 200],
            draw.randint(1, 8),
            stream_key=f"{number}" if draw.random() < 0.5 else "",
            priority=draw.randrange(4),
            stop_when=draw.choice(("", "line", "block")),
        )
        patience = draw.choice((None, None, 0, 1, 2, 3))
        how = await _request(engine, body | {"user": f"client {number}"}, patience)
        if how in ("finished", "dropped", "refused"):
            counts[how] += 1
        else:
            outcome.find(order.seed, how)
        if outcome.tried % _SAMPLED_EVERY == 0:
            outcome.memory.append(engine.memory_mib())


async def _request(engine: OwnEngine, body: dict[str, Any], patience: int | None) -> str:
    """One stream, closed after `patience` events unless that is None. Returns how it ended, or what was wrong."""
    done = usages = count = 0
    try:
        async with engine.completion(body) as events:
            if patience == 0:
                return "dropped"
            async for event in events:
                done += "done" in event
                usages += "usage" in event
                count += 1
                if patience is not None and count >= patience and not done:
                    return "dropped"
    except RuntimeError as error:
        return "refused" if str(error).startswith("429") else str(error)[:200]
    return "finished" if (done, usages) == (1, 1) else f"{done} [DONE] and {usages} usage events in a stream"
