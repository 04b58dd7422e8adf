"""Measures how long /health takes while the engine receives the largest bodies: `python -m benchmarks.engine_health`.

Separate processes send four bodies at once, of each kind in turn, while /health is requested continuously on a separate
connection. The worst answer counts. With `--first` (as root), the engine and the client of /health have priority over
all other processes, so that a busy machine adds nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import time
from contextlib import suppress
from pathlib import Path

import aiohttp

from aix_lsp.engine.http.body import LARGEST_BODY
from aix_lsp.engine.parameters import BadField, parse, parse_texts
from benchmarks.machine import announce
from benchmarks.stats import percentile
from tests.client.own_engine import own_engine, session_for

_ROOM = LARGEST_BODY - 4096
BODIES = {
    "text": json.dumps({"prompt": "x = 1\n" * (_ROOM // 8), "max_tokens": 1}),
    "backslashes": json.dumps({"prompt": "\\" * (_ROOM // 2), "max_tokens": 1}),
    "halves of surrogate pairs": '{"prompt": "' + r"\ud800" * (_ROOM // 6) + '", "max_tokens": 1}',
    "other scripts": json.dumps({"prompt": "\u4e2d" * (_ROOM // 6), "max_tokens": 1}),
    "numbers": '{"stop": [' + "1," * (_ROOM // 2) + "1]}",
    "depth": '{"prompt": ' + "[" * (_ROOM // 2) + "]" * (_ROOM // 2) + "}",
    "context": json.dumps({"prompt": "x", "aix": {"context": [{"text": "y = 2\n" * (_ROOM // 2048)}] * 255}}),
    "unknown fields": json.dumps({f"f{number}": number for number in range(_ROOM // 24)}),
    "corpus": json.dumps({"texts": ["def f(x):\n    return x\n" * (_ROOM // 26 // 64)] * 64}),
}
_AT_ONCE = 4
_PAUSE_S = 0.005


def main() -> None:
    """Print the worst and the typical answer for each kind of body."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--first", action="store_true")
    options = parser.parse_args()
    announce()
    asyncio.run(_measure(options.times, options.first))


async def _measure(times: int, first: bool) -> None:
    context = multiprocessing.get_context("spawn")
    async with own_engine("--kv-memory-mb", "64") as engine:
        for thread in (os.getpid(), *_threads(engine.process.pid)) if first else ():
            os.setpriority(os.PRIO_PROCESS, thread, -10)
        for kind in BODIES:
            senders = [context.Process(target=_send, args=(engine.url, kind, times)) for _ in range(_AT_ONCE)]
            for sender in senders:
                sender.start()
            took: list[float] = []
            while any(sender.is_alive() for sender in senders):
                began = time.perf_counter()
                async with engine.session.get("/health") as answer:
                    await answer.read()
                took.append(1000 * (time.perf_counter() - began))
                await asyncio.sleep(_PAUSE_S)
            print(
                f"{kind}: parsed in {1000 * _parsing(kind):.1f} ms; /health {len(took)} times, "
                f"median {percentile(took, 50):.1f} ms, p99 {percentile(took, 99):.1f}, worst {max(took):.1f}",
                flush=True,
            )


def _parsing(kind: str) -> float:
    """Seconds of processor time to parse one body, for most of which nothing else runs."""
    body, began = BODIES[kind].encode(), time.thread_time()
    with suppress(BadField):
        (parse_texts if kind == "corpus" else parse)(body)
    return time.thread_time() - began


def _threads(pid: int) -> list[int]:
    return [int(task.name) for task in Path(f"/proc/{pid}/task").iterdir()]


def _send(url: str, kind: str, times: int) -> None:
    if hasattr(os, "nice"):
        os.nice(10)
    asyncio.run(_send_bodies(url, kind, times))


async def _send_bodies(url: str, kind: str, times: int) -> None:
    path = "/aix/corpus" if kind == "corpus" else "/v1/completions"
    async with session_for(url) as session:
        for _ in range(times):
            headers = {"content-type": "application/json"}
            timeout = aiohttp.ClientTimeout(total=120)
            async with session.post(
                path, data=BODIES[kind].encode(), headers=headers, timeout=timeout
            ) as answer:
                await answer.read()


if __name__ == "__main__":
    main()
