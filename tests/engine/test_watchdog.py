"""Slow steps and hanging steps, with a fake runner and in the real process."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from aix_lsp.engine.engine import Engine, EngineStopped
from aix_lsp.engine.events import Failed
from aix_lsp.engine.watchdog import Watchdog
from tests.engine.fakes import FakeRunner, Gate, events_of, expected, request, tokens_in, until
from tests.models.prepared import keep_prepared, take_prepared

HANGING_ENGINE = """
import sys, threading
from pathlib import Path
from aix_lsp.engine import process
from aix_lsp.engine.model import loader
from aix_lsp.engine.options import EngineOptions, Listen

folder = Path(sys.argv[1])

def load(options, progress):
    model = loader.load(options, progress)
    step = model.runner.step
    def held(rows, abort=lambda: False):
        if (folder / "hang").exists():
            threading.Event().wait()
        while (folder / "slow").exists() and not abort():
            pass
        return step(rows, abort)
    model.runner.step = held
    return model

listen = Listen(uds=str(folder / "engine.sock"), lock=str(folder / "lock"), step_limit_s=2.0)
sys.exit(process.run(EngineOptions(threads=1), listen, load))
"""
"""The real engine with the embedded model, whose steps are delayed by a file in its folder."""


async def test_a_slow_step_is_abandoned_and_the_engine_keeps_serving(
    engine: Engine, runner: FakeRunner
) -> None:
    left: list[str] = []
    dog = Watchdog(engine, 0.05, left.append)
    gate = Gate(runner)
    slow, waiting = engine.submit(request(range(8))), request(range(5))
    await until(lambda: engine.step_in_flight()[1] > 0.05)
    stream = engine.submit(waiting)
    dog.check()
    gate.open.set()
    [failed] = await events_of(slow)
    assert isinstance(failed, Failed) and "model" in failed.message
    assert tokens_in(await events_of(stream)) == expected(waiting.sequences[0], 11, None)
    assert not left and engine.step_in_flight() == (0.0, 0.0)


async def test_a_step_that_cannot_be_aborted_fails_all_requests_and_ends_the_process(
    runner: FakeRunner,
) -> None:
    engine = Engine(runner)
    engine.start()
    left: list[str] = []
    dog = Watchdog(engine, 0.05, left.append)
    gate = Gate(runner)
    streams = [engine.submit(request(range(length))) for length in (8, 5)]
    await until(lambda: engine.step_in_flight()[1] > 0.1)
    dog.check()
    assert not left  # first the requests are failed, and the step gets another chance
    dog.check()
    ends = [await events_of(stream) for stream in streams]
    assert all(len(events) == 1 and isinstance(events[0], Failed) for events in ends)
    assert len(left) == 1 and engine.active == 0
    with pytest.raises(EngineStopped):
        engine.submit(request([1]))
    assert not engine.stop()
    gate.open.set()
    await until(engine.stop)
    assert all(not stream._events for stream in streams)  # later events of the thread are discarded


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="aix-") as made:
        yield Path(made)


@contextlib.asynccontextmanager
async def hanging_engine(
    folder: Path,
) -> AsyncIterator[tuple[asyncio.subprocess.Process, aiohttp.ClientSession]]:
    take_prepared(folder)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", HANGING_ENGINE, str(folder)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "AIX_LSP_HOME": str(folder)},
    )
    assert process.stdout
    # The engine closes connections idle for some seconds, which a busy machine may take between two requests.
    connector = aiohttp.UnixConnector(str(folder / "engine.sock"), force_close=True)
    try:
        async with aiohttp.ClientSession("http://aix", connector=connector) as session:
            assert json.loads(await asyncio.wait_for(process.stdout.readline(), 180))["ready"]
            yield process, session
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()
        keep_prepared(folder)


async def complete(session: aiohttp.ClientSession) -> list[dict[str, Any]]:
    """All events of a stream."""
    body = {"prompt": "def f():\n", "max_tokens": 3, "stream": True}
    async with session.post("/v1/completions", json=body) as answer:
        assert answer.status == 200
        return [json.loads(line[6:]) async for line in answer.content if line.startswith(b"data: {")]


async def test_the_process_survives_a_slow_step_but_exits_if_a_step_hangs(folder: Path) -> None:
    async with hanging_engine(folder) as (process, session), session.get("/aix/events") as lease:
        (folder / "slow").touch()
        assert (await complete(session))[-1]["error"]["code"] == "failed"
        (folder / "slow").unlink()
        assert "usage" in (await complete(session))[-1]
        assert process.returncode is None
        (folder / "hang").touch()
        assert (await complete(session))[-1]["error"]["code"] == "failed"
        assert process.stderr
        told = (await asyncio.wait_for(process.stderr.read(), 60)).decode()
        assert await asyncio.wait_for(process.wait(), 60) == 70
        assert "aborted" in told and "held" in told  # where the thread hangs
        await lease.read()  # when it ends, the client's supervisor starts another engine
    (folder / "hang").unlink()
    async with hanging_engine(folder) as (_, session):
        assert "usage" in (await complete(session))[-1]
