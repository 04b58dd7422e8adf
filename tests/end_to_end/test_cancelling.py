"""A suggestion that nobody wants any more is not generated any further, and its request is answered once."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from benchmarks.editor import Editor
from benchmarks.engine_watch import EngineClient, engine_idle
from benchmarks.lsp import inline_items
from benchmarks.own_engine import ends
from benchmarks.wire import ResponseError
from tests.end_to_end.conftest import SOURCE

CANCELLED = -32800
SUPERSEDED = (-32800, -32801, -32802)


async def test_cancel_request_ends_the_generation_in_the_engine(editor: Editor, engine_home: Path) -> None:
    buffer = editor.open(None, SOURCE + "accounts:\n            ")
    async with EngineClient(engine_home) as engine:
        before = await engine.metrics()
        call = editor.stream(buffer, "invoked")
        await editor.wire.wait_for(lambda: call.progress)
        editor.wire.cancel(call)
        with pytest.raises(ResponseError) as failure:
            await call.result()
        assert failure.value.code == CANCELLED
        assert call.answers == 1
        await engine_idle(engine)
        after = await engine.metrics()
    counted = ends(before, after)
    assert counted["cancelled"] >= 1
    assert not counted.get("complete") and not counted.get("length"), "it went on to the end"


async def test_a_cancelled_request_brings_no_progress_after_its_answer(editor: Editor) -> None:
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
    editor: Editor, engine_home: Path
) -> None:
    buffer = editor.open(None, SOURCE + "accounts:\n            ")
    async with EngineClient(engine_home) as engine:
        before = await engine.metrics()
        call = editor.stream(buffer, "invoked")
        await editor.wire.wait_for(lambda: call.progress)
        editor.type(buffer, "@@")
        await engine_idle(engine)
        counted = ends(before, await engine.metrics())
        assert counted["cancelled"] >= 1
        assert not counted.get("complete") and not counted.get("length"), "it went on to the end"
        try:
            await call.result()
        except ResponseError as error:
            assert error.code in SUPERSEDED
        assert call.answers == 1
