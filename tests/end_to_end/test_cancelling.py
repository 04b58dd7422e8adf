"""A suggestion that is no longer wanted is not generated further, and its request gets one answer."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from tests.client.buffer import Buffer
from tests.client.editor import Editor
from tests.client.engine_watch import EngineClient
from tests.client.lsp import inline_items
from tests.client.wire import Call, ResponseError
from tests.end_to_end.conftest import SOURCE
from tests.slow_engine import slowed_engine

CANCELLED = -32800
CANCELLED_IN_ENGINE = 'aix_requests_total{end="cancelled"}'
SUPERSEDED = (-32800, -32801, -32802)


ATTEMPTS = 20
"""Even on a slowed engine, a generation may finish before it can be cancelled; out of this many, not all do."""


@pytest_asyncio.fixture
async def engine(editor: Editor, engine_home: Path) -> AsyncIterator[EngineClient]:
    """The engine, slowed like on a slow machine, so that a generation can be interrupted."""
    del editor  # its server ensures that the engine is ready
    with slowed_engine(engine_home):
        async with EngineClient(engine_home) as engine:
            yield engine


async def ended(engine: EngineClient) -> dict[str, float]:
    """How many requests have ended, by reason."""
    metrics = await engine.metrics()
    return {name: value for name, value in metrics.items() if name.startswith("aix_requests_total{")}


async def catch_one(engine: EngineClient, interrupt: Callable[[int], Awaitable[None]]) -> None:
    """Call `interrupt`, which starts and interrupts a generation, until the engine reports a cancelled one."""
    for attempt in range(ATTEMPTS):
        before = after = await ended(engine)
        await interrupt(attempt)
        async with asyncio.timeout(60):
            while sum(after.values()) == sum(before.values()):
                after = await ended(engine)
        if after[CANCELLED_IN_ENGINE] > before[CANCELLED_IN_ENGINE]:
            return
    pytest.fail(f"{ATTEMPTS} generations went on to their end")


async def begin(editor: Editor, attempt: int) -> tuple[Buffer, Call]:
    """Request a suggestion in a new document, and wait for its first text."""
    buffer = editor.open(None, f"TURN = {attempt}\n{SOURCE}accounts:\n            ")
    call = editor.stream(buffer, "invoked")
    await editor.wire.wait_for(lambda: call.progress)
    return buffer, call


async def test_cancel_request_ends_the_generation_in_the_engine(editor: Editor, engine: EngineClient) -> None:
    async def cancel(attempt: int) -> None:
        _, call = await begin(editor, attempt)
        editor.wire.cancel(call)
        with contextlib.suppress(ResponseError):
            await call.result()
        assert call.answers == 1

    await catch_one(engine, cancel)


@pytest.mark.usefixtures("engine")
async def test_a_cancelled_request_sends_no_progress_after_its_answer(editor: Editor) -> None:
    for attempt in range(ATTEMPTS):
        buffer, call = await begin(editor, attempt)
        editor.wire.cancel(call)
        try:
            await call.result()
        except ResponseError as error:
            assert error.code == CANCELLED
            break
    else:
        pytest.fail("no request was answered as cancelled")
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
    """Neovim never cancels: the newest request wins, and the others are still answered."""
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


async def test_typing_something_else_cancels_the_generation_in_the_engine(
    editor: Editor, engine: EngineClient
) -> None:
    async def diverge(attempt: int) -> None:
        buffer, call = await begin(editor, attempt)
        editor.type(buffer, "@@")
        try:
            await call.result()
        except ResponseError as error:
            assert error.code in SUPERSEDED
        assert call.answers == 1

    await catch_one(engine, diverge)
