"""A suggestion that nobody wants any more is not generated any further, and its request is answered once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from benchmarks.editor import Editor
from benchmarks.engine_watch import EngineClient
from benchmarks.lsp import inline_items
from benchmarks.wire import ResponseError
from tests.end_to_end.conftest import SOURCE

CANCELLED = -32800
SUPERSEDED = (-32800, -32801, -32802)


@pytest_asyncio.fixture
async def engine(editor: Editor, engine_home: Path) -> AsyncIterator[EngineClient]:
    """The engine, kept busy by others, so that no generation is over before it can be cancelled."""
    del editor  # its server has made sure that the engine is ready
    async with EngineClient(engine_home) as engine:
        others = [asyncio.create_task(generate_for_ever(engine, seed)) for seed in range(6)]
        await engine_until(engine, lambda metrics: metrics["aix_running_sequences"] >= len(others))
        yield engine
        for other in others:
            other.cancel()
        await asyncio.gather(*others, return_exceptions=True)


async def generate_for_ever(engine: EngineClient, seed: int) -> None:
    body = {"prompt": "import os\n\n", "max_tokens": 1000, "temperature": 1.5, "seed": seed, "stream": True}
    while True:
        async with engine.session.post("/v1/completions", json=body) as answer:
            await answer.read()


async def engine_until(engine: EngineClient, condition: Callable[[dict[str, float]], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition(await engine.metrics()):
            await asyncio.sleep(0.01)


async def cancelled(engine: EngineClient) -> float:
    """How many requests have ended by being cancelled."""
    return (await engine.metrics())['aix_requests_total{end="cancelled"}']


async def test_cancel_request_ends_the_generation_in_the_engine(editor: Editor, engine: EngineClient) -> None:
    buffer = editor.open(None, SOURCE + "accounts:\n            ")
    before = await cancelled(engine)
    call = editor.stream(buffer, "invoked")
    await editor.wire.wait_for(lambda: call.progress)
    assert await cancelled(engine) == before
    editor.wire.cancel(call)
    with pytest.raises(ResponseError) as failure:
        await call.result()
    assert failure.value.code == CANCELLED
    assert call.answers == 1
    ended = 'aix_requests_total{end="cancelled"}'
    await engine_until(engine, lambda metrics: metrics[ended] > before)


async def test_a_cancelled_request_brings_no_progress_after_its_answer(
    editor: Editor, engine: EngineClient
) -> None:
    del engine  # being busy is all that it is needed for
    buffer = editor.open(None, SOURCE + "accounts:\n            ")
    call = editor.stream(buffer, "invoked")
    await editor.wire.wait_for(lambda: call.progress)
    editor.wire.cancel(call)
    with pytest.raises(ResponseError):
        await call.result()
    count = len(call.progress)
    await editor.inline(buffer, "invoked").result()
    assert len(call.progress) == count


async def test_cancelling_an_answered_or_unknown_request_is_harmless(editor: Editor) -> None:
    buffer = editor.open(None, SOURCE)
    call = editor.inline(buffer, "invoked")
    await call.result()
    editor.wire.cancel(call)
    editor.wire.notify("$/cancelRequest", {"id": 987654})
    assert inline_items(await editor.inline(buffer, "invoked").result())
    assert call.answers == 1


async def test_stacked_requests_are_superseded_and_each_answered_once(editor: Editor) -> None:
    """Neovim never cancels: the newest request wins, the others are answered all the same."""
    buffer = editor.open(None, SOURCE)
    calls = []
    for char in "xyz":
        editor.type(buffer, char)
        calls.append(editor.inline(buffer))
    results = await asyncio.gather(*(call.result() for call in calls), return_exceptions=True)
    for result in results[:-1]:
        if isinstance(result, ResponseError):
            assert result.code in SUPERSEDED
        else:
            assert inline_items(result) == []
    assert not isinstance(results[-1], BaseException)
    assert [call.answers for call in calls] == [1, 1, 1]


async def test_diverging_from_what_is_generated_cancels_it_in_the_engine(
    editor: Editor, engine: EngineClient
) -> None:
    buffer = editor.open(None, SOURCE + "accounts:\n            ")
    before = await cancelled(engine)
    call = editor.stream(buffer, "invoked")
    await editor.wire.wait_for(lambda: call.progress)
    editor.type(buffer, "@@")
    ended = 'aix_requests_total{end="cancelled"}'
    await engine_until(engine, lambda metrics: metrics[ended] > before)
    try:
        await call.result()
    except ResponseError as error:
        assert error.code in SUPERSEDED
    assert call.answers == 1
