"""Measures how long the next suggestion takes after one was accepted, with `prefetch` and without.

`python -m benchmarks.after_accept [--places 100] [--reading-ms 400]`. Cuts files at the starts of lines, requests a
suggestion, waits as long as a person reads, accepts it, goes to the next line if this one has ended, and requests
again. Two servers, each with its own engine, take turns at every place.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

from benchmarks.machine import announce
from benchmarks.scripts import scripts
from benchmarks.stats import percentile
from tests.client.editor import Editor
from tests.client.engine_watch import wait_until_gone
from tests.client.lsp import inline_items
from tests.client.readiness import wait_until_ready

SIDES = ("always", "never")


def places(count: int, seed: int) -> Iterator[tuple[str, int]]:
    """Texts, and the offsets in them at which the rest of a line is to be written."""
    draw = random.Random(seed)
    texts = [script.finished for script in scripts(4000, seed)]
    for _ in range(count):
        text = draw.choice(texts)
        lines = text.split("\n")
        number = draw.randrange(10, len(lines) - 5)
        line = lines[number]
        typed = len(line) - len(line.lstrip()) + draw.randrange(1, 6)
        before = "\n".join([*lines[:number], line[:typed]])
        yield before + "\n" + "\n".join(lines[number + 1 :]), len(before)


async def next_after(editor: Editor, text: str, cursor: int, reading_s: float) -> float | None:
    """Milliseconds to the suggestion that follows an accepted one; None if there is none to accept, or none follows."""
    buffer = editor.open(None, text)
    try:
        buffer.move(cursor)
        items = inline_items(await editor.inline(buffer).result())
        if not items:
            return None
        await asyncio.sleep(reading_s)
        editor.accept(buffer, items[0])
        call = editor.inline(buffer)
        if inline_items(await call.result()):
            return call.elapsed_ms
        editor.key(buffer, "\n")
        call = editor.inline(buffer)
        return call.elapsed_ms if inline_items(await call.result()) else None
    finally:
        editor.close(buffer)


async def run(count: int, reading_s: float, seed: int) -> None:
    times: dict[str, list[float]] = {side: [] for side in SIDES}
    async with AsyncExitStack() as stack:
        editors: dict[str, Editor] = {}
        for side in SIDES:
            home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="aix-accept-")))
            stack.push_async_callback(wait_until_gone, home)
            editors[side] = await stack.enter_async_context(await Editor.start(home))
            await editors[side].initialize(options={"idleExitS": 1, "deadlineMs": 20_000, "prefetch": side})
            await wait_until_ready(editors[side])
        for number, (text, cursor) in enumerate(places(count, seed)):
            turn = SIDES if number % 2 else SIDES[::-1]
            found = {side: await next_after(editors[side], text, cursor, reading_s) for side in turn}
            if all(taken is not None for taken in found.values()):
                for side, taken in found.items():
                    times[side].append(taken or 0.0)
    print(f"{len(times['always'])} suggestions after an accepted one, of {count} places:")
    for side, waits in times.items():
        fast = sum(wait < 10 for wait in waits) / max(1, len(waits))
        p50, p95 = percentile(waits, 50), percentile(waits, 95)
        print(f"  prefetch {side:6}  p50 {p50:6.1f} ms  p95 {p95:6.1f} ms  within 10 ms {fast:.0%}")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.after_accept", description=__doc__)
    parser.add_argument("--places", type=int, default=100)
    parser.add_argument("--reading-ms", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    announce()
    asyncio.run(run(options.places, options.reading_ms / 1000, options.seed))
    return 0


if __name__ == "__main__":
    sys.exit(main())
