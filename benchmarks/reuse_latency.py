"""Measures how fast a reused answer returns over stdio while the engine is busy with other users' requests.

`python -m benchmarks.reuse_latency [--rounds 500] [--busy 4]`. Exit status 1 if p95 is not below 5 ms.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from benchmarks.machine import announce
from benchmarks.scripts import scripts
from benchmarks.stats import percentile
from tests.client.buffer import Buffer
from tests.client.editor import Editor
from tests.client.engine_watch import EngineClient, wait_until_gone
from tests.client.lsp import inline_items, insert_text
from tests.client.own_engine import completion_body
from tests.client.readiness import wait_until_ready

GOAL_MS = 5.0

SOURCE = Path(__file__).parent / "data" / "ledger.py"
PLACE = "        if name not in self."


async def keep_busy(engine: EngineClient, number: int, text: str) -> None:
    """A client that always has a request running."""
    cursor = 400 * (number + 1) % len(text)
    while True:
        body = completion_body(text[:cursor], text[cursor : cursor + 300], 64, priority=1)
        async with engine.session.post("/v1/completions", json=body | {"stream": True}) as answer:
            async for _ in answer.content:
                pass
        cursor = (cursor + 7) % len(text)


async def one_round(editor: Editor, buffer: Buffer, suggestion: str, typed: int) -> float | None:
    """Type along the suggestion and request again: milliseconds to the answer, or None if it was not reused."""
    editor.type(buffer, suggestion[typed])
    call = editor.stream(buffer, partial=False)
    items = inline_items(await call.result())
    if items and items[0]["data"]["source"] == "reuse":
        return call.elapsed_ms
    return None


async def measure(editor: Editor, rounds: int) -> tuple[list[float], int]:
    """The times of reused answers, and how many answers were not reused."""
    text = SOURCE.read_text()
    buffer = editor.open(SOURCE, text)
    buffer.move(buffer.find(PLACE, after=True))
    end = buffer.line_span(buffer.cursor)[1]
    editor.changed(buffer, [buffer.replace(buffer.cursor, end, "")])
    suggestion = insert_text(inline_items(await editor.inline(buffer, "invoked").result())[0])
    times: list[float] = []
    others = 0
    while len(times) + others < rounds:
        for typed in range(len(suggestion) - 1):
            elapsed = await one_round(editor, buffer, suggestion, typed)
            if elapsed is None:
                others += 1
            else:
                times.append(elapsed)
        editor.backspace(buffer, len(suggestion) - 1)
    return times, others


async def run(rounds: int, busy: int) -> int:
    with tempfile.TemporaryDirectory(prefix="aix-reuse-") as folder:
        home = Path(folder)
        async with await Editor.start(home) as editor:
            await editor.initialize(options={"idleExitS": 1, "deadlineMs": 20_000})
            await wait_until_ready(editor)
            async with EngineClient(home) as engine:
                text = scripts(60)[0].finished
                others = [asyncio.create_task(keep_busy(engine, number, text)) for number in range(busy)]
                times, asked = await measure(editor, rounds)
                for task in others:
                    task.cancel()
                await asyncio.gather(*others, return_exceptions=True)
        await wait_until_gone(home)
    p50, p95, worst = percentile(times, 50), percentile(times, 95), max(times, default=float("nan"))
    print(f"{len(times)} reused answers over stdio, {busy} other requests always running in the engine:")
    print(f"  p50 {p50:.2f} ms, p95 {p95:.2f} ms, worst {worst:.2f} ms; {asked} answers were not reused")
    return 0 if times and p95 < GOAL_MS else 1


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reuse_latency", description=__doc__)
    parser.add_argument("--rounds", type=int, default=500)
    parser.add_argument("--busy", type=int, default=4, help="requests always running beside")
    options = parser.parse_args()
    announce()
    return asyncio.run(run(options.rounds, options.busy))


if __name__ == "__main__":
    sys.exit(main())
