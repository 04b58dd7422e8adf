"""Many clients of one server and one engine type at once: each request of each gets exactly one answer."""

from __future__ import annotations

import asyncio
import random
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace

from benchmarks.campaign.outcome import Order, Outcome
from benchmarks.campaign.programs import own_home, resident_mib, terminate
from benchmarks.scripts import Script, scripts
from tests.client.editor import Editor
from tests.client.engine_watch import engine_pids
from tests.client.listening import Listening, listening
from tests.client.lsp import inline_items
from tests.client.readiness import NotReady, wait_until_ready
from tests.client.wire import Call, ConnectionLost, ResponseError

DURATION_S = 300.0
_ANSWER_S = 120.0
_PAUSES_S = (0.5, 1.0, 2.0, 5.0)
_SAMPLE_S = 1.0


@dataclass
class _Counts:
    sent: int = 0
    with_text: int = 0
    empty: int = 0
    errors: int = 0
    lost: int = 0
    """Clients that disconnected without notice, and came back."""
    took_ms: list[float] = field(default_factory=list)


async def run(order: Order) -> Outcome:
    """Run `order.count` clients, for five minutes or the given time."""
    until = min(order.until, time.monotonic() + DURATION_S)
    order = replace(order, count=min(order.count, 200), until=until)
    outcome, counts = Outcome("clients", unit="clients"), _Counts()
    files = scripts(200)
    with own_home() as home:
        async with listening("tcp", home) as server:
            async with await server.join() as first:
                options = {"token": server.token, "kvMemoryMb": 64}
                try:
                    await first.initialize(options=options, within=_ANSWER_S)
                    await wait_until_ready(first, within=_ANSWER_S)
                    [engine] = engine_pids(home)
                except (TimeoutError, ConnectionLost, NotReady, ValueError) as error:
                    outcome.find(order.seed, f"the engine did not come up within {_ANSWER_S:.0f} s: {error}")
                    return outcome
                sampling = asyncio.create_task(_sample(outcome, server.process.pid))
                early = resident_mib(engine)
                await asyncio.gather(
                    *(_client(n, server, order, outcome, counts, files) for n in range(order.count))
                )
                sampling.cancel()
                outcome.check_memory(order.seed, "the server")
                outcome.notes.append(
                    f"memory of the engine: {early:.0f} MiB at first, {resident_mib(engine):.0f} at last"
                )
                if inline_items(await _last_word(first)) == []:
                    outcome.notes.append("the last request of all got an empty answer")
            await terminate(server.process, outcome, order.seed, order.end_within_s)
    took = sorted(counts.took_ms) or [0.0]
    outcome.notes.append(
        f"{counts.sent:,} requests: {counts.with_text:,} with text, {counts.empty:,} empty, {counts.errors:,} "
        f"superseded or cancelled; {counts.lost} clients vanished and came again"
    )
    outcome.notes.append(
        f"answered after {took[len(took) // 2]:.0f} ms (median), {took[int(len(took) * 0.95)]:.0f} (p95)"
    )
    return outcome


async def _last_word(editor: Editor) -> object:
    buffer = editor.open(None, "def total(prices):\n    return sum(")
    return await editor.inline(buffer, "invoked").result(_ANSWER_S)


async def _sample(outcome: Outcome, pid: int) -> None:
    while True:
        outcome.memory.append(resident_mib(pid))
        await asyncio.sleep(_SAMPLE_S)


async def _client(
    number: int, server: Listening, order: Order, outcome: Outcome, counts: _Counts, files: list[Script]
) -> None:
    """A client that types a file, sometimes disconnects without notice, and comes back."""
    draw = random.Random(f"client {order.seed} {number}")
    outcome.tried += 1
    try:
        while not order.expired:
            editor = await server.join()
            try:
                await editor.initialize(options={"token": server.token, "kvMemoryMb": 64}, within=_ANSWER_S)
                calls = await _type(editor, order, draw, counts, draw.choice(files))
                vanishes = draw.random() < 0.3 and not order.expired
                if vanishes:
                    counts.lost += 1
                else:
                    await _settle(calls, counts)
                    if wrong := [call.method for call in calls if call.answers != 1]:
                        outcome.find(
                            order.seed,
                            f"client {number}: not one answer to {len(wrong)} requests: {wrong[:3]}",
                        )
                    await editor.wire.request("shutdown").result(_ANSWER_S)
            finally:
                await editor.kill()
    except (TimeoutError, ConnectionLost, NotReady, OSError) as error:
        outcome.find(order.seed, f"client {number}: {type(error).__name__} {error}")


async def _type(
    editor: Editor, order: Order, draw: random.Random, counts: _Counts, script: Script
) -> list[Call]:
    """Type a stretch of a file with requests after some keys; returns the requests."""
    cut = draw.randrange(200, len(script.finished))
    buffer = editor.open(None, script.finished[:cut])
    calls = []
    for key in script.finished[cut : cut + draw.choice((5, 20, 60))]:
        if order.expired:
            break
        editor.type(buffer, key)
        calls.append(draw.choice((editor.inline, editor.stream, editor.complete))(buffer))
        counts.sent += 1
        if draw.random() < 0.2:
            editor.wire.cancel(calls[-1])
        await asyncio.sleep(draw.choice(_PAUSES_S))
    return calls


async def _settle(calls: list[Call], counts: _Counts) -> None:
    """Await the answers, and count them."""
    for call in calls:
        try:
            with suppress(TimeoutError):
                found = inline_items(await call.result(_ANSWER_S))
                counts.took_ms.append(call.elapsed_ms)
                counts.with_text += bool(found)
                counts.empty += not found
        except ResponseError:
            counts.errors += 1
