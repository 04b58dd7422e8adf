"""The engine's thread and its streams: order, cancelling from outside, superseding, back-pressure,
recovery.
"""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Sequence

import pytest

from aix_lsp.engine.engine import Engine, EngineStopped, QueueFull
from aix_lsp.engine.events import Event, Failed, Finished, Piece, Started
from aix_lsp.engine.scheduling.schedule import StepLimits
from aix_lsp.engine.step import Row
from tests.engine.fakes import FakeRunner, Gate, events_of, expected, request, tokens_in, until


class InTurn:
    """Lets the event loop run between any two layers, so that clients act in the middle of steps."""

    def __init__(self, runner: FakeRunner) -> None:
        self._loop = asyncio.get_running_loop()
        runner.before = self

    def __call__(self, rows: Sequence[Row]) -> None:
        turned = threading.Event()
        self._loop.call_soon_threadsafe(turned.set)
        assert turned.wait(60)


def last_reason(events: list[Event]) -> str | None:
    return [e.reason for e in events if isinstance(e, Piece)][-1]


async def test_streams_tokens_and_ends(engine: Engine) -> None:
    one = request(range(8), new=20)
    events = await events_of(engine.submit(one))
    assert tokens_in(events) == expected(one.sequences[0], 11, None)
    assert isinstance(events[-1], Finished)


async def test_cancelling_during_a_step_ends_the_step_and_the_stream(
    engine: Engine, runner: FakeRunner
) -> None:
    gate = Gate(runner)
    stream = engine.submit(request(range(8), new=20))
    await asyncio.to_thread(gate.reached.wait, 10)
    stream.cancel()
    gate.open.set()
    events = await events_of(stream)
    assert last_reason(events) == "cancelled" and tokens_in(events) == []
    assert isinstance(events[-1], Finished)
    assert runner.steps == 1
    assert b"aix_aborted_steps_total 1.0" in engine.read_metrics().text()


async def test_closing_a_stream_cancels(engine: Engine, runner: FakeRunner) -> None:
    gate = Gate(runner, step=3)
    stream = engine.submit(request(range(8), new=300))
    await anext(stream)
    await stream.aclose()
    gate.open.set()
    await until(lambda: not engine.active)
    assert b'aix_requests_total{end="cancelled"} 1.0' in engine.read_metrics().text()


async def test_a_request_cancelled_before_the_engine_saw_it(engine: Engine, runner: FakeRunner) -> None:
    gate = Gate(runner)
    first = engine.submit(request(range(8), client="a"))
    await asyncio.to_thread(gate.reached.wait, 10)
    second = engine.submit(request(range(9), client="b"))
    second.cancel()
    gate.open.set()
    assert last_reason(await events_of(second)) == "cancelled"
    assert last_reason(await events_of(first)) == "length"


async def test_a_newer_request_of_the_same_stream_supersedes(engine: Engine) -> None:
    streams = [engine.submit(request(range(8 + k), new=500), stream_key="doc") for k in range(20)]
    other = engine.submit(request(range(5), new=500, client="else"), stream_key="doc")
    streams[-1].loop.call_later(0.05, streams[-1].cancel)
    told = [await events_of(stream) for stream in streams]
    assert [last_reason(events) for events in told[:-1]] == ["cancelled"] * 19
    other.cancel()
    await events_of(other)


async def test_a_full_queue_answers_at_once(engine: Engine, runner: FakeRunner) -> None:
    gate = Gate(runner)
    streams = [engine.submit(request([k], client="a")) for k in range(4)]
    with pytest.raises(QueueFull, match="this client"):
        engine.submit(request([9], client="a"))
    streams += [engine.submit(request([k], client="b")) for k in range(4)]
    with pytest.raises(QueueFull, match="too many"):
        engine.submit(request([9], client="c"))
    gate.open.set()
    for stream in streams:
        assert isinstance((await events_of(stream))[-1], Finished)
    await events_of(engine.submit(request([9], client="a")))


async def test_stopping_ends_running_requests(engine: Engine, runner: FakeRunner) -> None:
    gate = Gate(runner, step=3)
    stream = engine.submit(request(range(8), new=500))
    await anext(stream)
    stopping = asyncio.create_task(asyncio.to_thread(engine.stop))
    await until(lambda: engine._stopped)
    gate.open.set()
    await stopping
    assert last_reason(await events_of(stream)) == "cancelled"
    with pytest.raises(EngineStopped):
        engine.submit(request([1]))


async def test_a_broken_scheduler_fails_its_requests_and_keeps_serving(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*anything: object) -> None:
        raise AssertionError("a bug")

    with monkeypatch.context() as patch:
        patch.setattr(engine._stepper.scheduler, "plan", broken)
        events = await events_of(engine.submit(request(range(8))))
    assert isinstance(events[-1], Failed)
    one = request(range(8))
    assert tokens_in(await events_of(engine.submit(one))) == expected(one.sequences[0], 11, None)


async def test_events_ready_together_arrive_together(engine: Engine, runner: FakeRunner) -> None:
    stream = engine.submit(request(range(8), new=30))
    while engine.active:
        pass  # the event loop does not run, so nothing is read in the meantime
    events = await stream.batch()
    assert [type(event) for event in events] == [Started, Piece, Finished]
    assert isinstance(events[1], Piece) and events[1].tokens == 30


@pytest.mark.parametrize("seed", range(3))
async def test_fuzz_from_many_clients(seed: int) -> None:
    """Clients that submit, cancel, disconnect and supersede each other, for thousands of steps."""
    rng = random.Random(seed)
    runner = FakeRunner(pages=120)
    InTurn(runner)
    engine = Engine(runner, limits=StepLimits(running=6))
    engine.start()
    stem = [rng.randrange(11) for _ in range(80)]
    ends = {"whole": 0, "cancelled": 0}

    await asyncio.gather(
        *(client(engine, f"c{k}", random.Random(f"{seed}c{k}"), stem, ends) for k in range(8))
    )
    await asyncio.to_thread(engine.stop)
    scheduler = engine._stepper.scheduler
    scheduler.check_integrity()
    assert engine.active == 0 and scheduler.idle and scheduler.cache.pool.held == 0
    assert ends["whole"] > 50 and ends["cancelled"] > 50
    told = engine.read_metrics().text().decode()
    freed = [
        line.split()[-1] for line in told.splitlines() if line.startswith("aix_cancel_to_free_steps_bucket")
    ]
    assert freed[1] == freed[-1] != "0.0"  # each took at most until the end of the running step
    assert runner.steps > 1000


async def client(
    engine: Engine, name: str, generator: random.Random, stem: list[int], ends: dict[str, int]
) -> None:
    """Submit sixty requests; count in `ends` how those that were not abandoned ended."""
    for _ in range(60):
        prompt = stem[: generator.randrange(1, 80)] + [generator.randrange(11) for _ in range(3)]
        one = request(
            prompt,
            generator.randrange(1, 40),
            n=generator.choice((1, 1, 2)),
            client=name,
            priority=generator.randrange(4),
        )
        stream = engine.submit(one, stream_key=generator.choice(("", "doc")))
        if generator.random() < 0.3:
            for _ in range(generator.randrange(40)):
                await asyncio.sleep(0)
            stream.cancel()
        if generator.random() < 0.2:
            await stream.aclose()
            continue
        events = await events_of(stream)
        assert isinstance(events[-1], Finished)
        if one.cancelled:
            ends["cancelled"] += 1
        elif len(one.sequences) == 1:
            assert tokens_in(events) == expected(one.sequences[0], 11, None)
            ends["whole"] += 1
