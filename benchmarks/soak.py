"""A soak: thousands of short requests from several clients, many of them cancelled at random.

`python -m benchmarks.soak [--requests 20000] [--clients 8]`. Exit status 1 where a request did not end
exactly once, where memory grew, or where anything is held at the end.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import sys
import time
from dataclasses import dataclass, field
from typing import Any

from benchmarks.scripts import Script, scripts
from tests.client.own_engine import OwnEngine, completion_body, ends, own_engine

GROWTH_MIB = 16
"""What the last quarter may hold above the second; the allocator's own noise is a few MiB."""

KV_MEMORY_MIB = 64
"""A pool that the first requests fill: its pages take memory only when they are first written."""


@dataclass
class Soak:
    """What happened so far."""

    total: int
    sent: int = 0
    finished: int = 0
    """Streams that brought their usage and `[DONE]`, each once."""
    cancelled: int = 0
    """Streams that were closed before their end."""
    refused: int = 0
    """Answered at once with an error, the queue being full."""
    wrong: list[str] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)
    """MiB, sampled along the way."""


async def client(number: int, engine: OwnEngine, soak: Soak, files: list[Script]) -> None:
    """Send requests, each a little further on in some file, and drop some of them."""
    draw = random.Random(number)
    while soak.sent < soak.total:
        soak.sent += 1
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
        await one_request(engine, soak, body | {"user": f"client {number}"}, patience)
        if soak.sent % max(1, soak.total // 200) == 0:
            soak.memory.append(engine.memory_mib())


async def one_request(engine: OwnEngine, soak: Soak, body: dict[str, Any], patience: int | None) -> None:
    """One stream, left after `patience` events unless that is None."""
    done = usages = 0
    try:
        async with engine.completion(body) as events:
            if patience == 0:
                soak.cancelled += 1
                return
            count = 0
            async for event in events:
                done += "done" in event
                usages += "usage" in event
                count += 1
                if patience is not None and count >= patience and not done:
                    soak.cancelled += 1
                    return
    except RuntimeError as error:
        if str(error).startswith("429"):
            soak.refused += 1
        else:
            soak.wrong.append(str(error)[:200])
        return
    soak.finished += 1
    if (done, usages) != (1, 1):
        soak.wrong.append(f"{done} [DONE] and {usages} usage events")


async def watch(soak: Soak) -> None:
    """Say how far it is, once in a while."""
    began = time.monotonic()
    while True:
        await asyncio.sleep(10)
        rate = soak.sent / (time.monotonic() - began)
        print(f"  {soak.sent} requests, {rate:.0f} a second, {soak.memory[-1:]} MiB", flush=True)


async def run(total: int, clients: int, engine_args: list[str]) -> list[str]:
    """The whole soak; returns what went wrong."""
    soak = Soak(total)
    files = scripts(200)
    async with own_engine("--kv-memory-mb", str(KV_MEMORY_MIB), *engine_args) as engine:
        before = await engine.metrics()
        watcher = asyncio.create_task(watch(soak))
        await asyncio.gather(*(client(number, engine, soak, files) for number in range(clients)))
        watcher.cancel()
        metrics = await engine.settled()
    counted = ends(before, metrics)
    print(f"{soak.sent} requests: {soak.finished} finished, {soak.cancelled} dropped, {soak.refused} refused")
    print(f"the engine counts {counted}")
    print(f"memory {soak.memory[0]:.0f} MiB after the first requests, {soak.memory[-1]:.0f} MiB at the end")
    return soak.wrong[:10] + verdict(soak, counted, metrics)


def verdict(soak: Soak, counted: dict[str, int], metrics: dict[str, float]) -> list[str]:
    wrong = []
    ended = sum(counted.values())
    if ended != soak.sent:
        wrong.append(f"{soak.sent} requests, but {ended} ends")
    if held := metrics.get('aix_pool_pages{state="held"}', 0):
        wrong.append(f"{held:.0f} pages are still held")
    quarter = len(soak.memory) // 4
    early = statistics.median(soak.memory[quarter : 2 * quarter])
    late = statistics.median(soak.memory[-quarter:])
    if late - early > GROWTH_MIB:
        wrong.append(f"memory grew from {early:.0f} to {late:.0f} MiB")
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("engine", nargs="*", help="further arguments of the engine, after --")
    options = parser.parse_args()
    wrong = asyncio.run(run(options.requests, options.clients, options.engine))
    for line in wrong:
        print(f"WRONG: {line}")
    print("failed" if wrong else "every request ended once, memory is flat, nothing is held")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
