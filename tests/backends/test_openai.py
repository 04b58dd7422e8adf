"""The remote backend against a real HTTP server: streams, cancellation, errors, healing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from aix_lsp.backends.base import (
    BackendError,
    BackendUnavailable,
    Delta,
    GenerateRequest,
    Usage,
)
from aix_lsp.fim.prompt import FimPrompt
from tests.backends.remote_backend import PROMPT, REQUEST, backend, collect, settled
from tests.backends.servers import DONE, CompletionsServer, event, says, serving

pytestmark = pytest.mark.usefixtures("short_pauses")


async def test_streams_text_and_usage(server: CompletionsServer) -> None:
    async with backend(server) as found:
        assert found.status.model is not None
        assert found.status.model.context_length == 4096
        assert await collect(found) == ("42", "stop", Usage(10, 4, 2))


async def test_over_a_unix_socket(tmp_path: Path) -> None:
    async with (
        serving(CompletionsServer(says("42")), socket=tmp_path / "s") as server,
        backend(server) as found,
    ):
        assert (await collect(found))[0] == "42"


async def test_first_text_comes_before_the_last(server: CompletionsServer) -> None:
    more = asyncio.Event()

    async def reply(_: dict[str, Any]) -> AsyncIterator[bytes]:
        yield event("first")
        await more.wait()
        yield event(" last", reason="stop")
        yield DONE

    server.reply = reply
    async with backend(server) as found:
        stream = found.generate(REQUEST)
        assert await anext(stream) == Delta("first")
        more.set()
        assert await anext(stream) == Delta(" last", finish_reason="stop")
        assert [item async for item in stream] == []


async def endless(_: dict[str, Any]) -> AsyncIterator[bytes]:
    while True:
        yield event("word ")
        await asyncio.sleep(0.001)


async def test_closing_the_iterator_cancels_at_the_server(server: CompletionsServer) -> None:
    server.reply = endless
    async with backend(server) as found:
        stream = found.generate(REQUEST)
        first = await anext(stream)
        assert isinstance(first, Delta) and first.text.startswith("word")
        await stream.aclose()
        async with asyncio.timeout(60):
            await server.closed_by_client.wait()


async def test_cancelling_the_reader_cancels_at_the_server(server: CompletionsServer) -> None:
    started = asyncio.Event()

    async def silent(_: dict[str, Any]) -> AsyncIterator[bytes]:
        started.set()
        await asyncio.Event().wait()
        yield b""

    server.reply = silent
    async with backend(server) as found:
        reading = asyncio.create_task(collect(found))
        async with asyncio.timeout(60):
            await started.wait()
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
            await server.closed_by_client.wait()
        assert reading.cancelled() and len(server.bodies) == 1


async def test_connections_are_kept(server: CompletionsServer) -> None:
    async with backend(server) as found:
        for _ in range(3):
            assert (await collect(found))[0] == "42"


TROUBLE = [
    (400, {"error": {"message": "bad field"}}, BackendError, "bad field"),
    (401, {"error": "no"}, BackendError, "aix.apiKey"),
    (404, {"detail": "model?"}, BackendError, "aix.remoteModel"),
    (422, {"error": {"message": "long"}}, BackendError, "aix.prefixLines"),
    (429, {"error": {"message": "queue"}}, BackendUnavailable, "queue"),
    (500, "oops", BackendError, "oops"),
    (503, {"error": {"message": "loading"}}, BackendUnavailable, "loading"),
]


@pytest.mark.parametrize(("status", "body", "kind", "told"), TROUBLE)
async def test_error_statuses(
    server: CompletionsServer, status: int, body: Any, kind: type[BackendError], told: str
) -> None:
    server.refusal = (status, body)
    async with backend(server) as found:
        with pytest.raises(BackendError, match=told) as raised:
            await collect(found)
        assert type(raised.value) is kind
        server.refusal = None
        await settled(found)
        assert (await collect(found))[0] == "42"


async def cut(_: dict[str, Any]) -> AsyncIterator[bytes]:
    yield event("half")
    raise ConnectionResetError


async def not_json(_: dict[str, Any]) -> AsyncIterator[bytes]:
    yield b"data: {half\n\n"


async def not_utf8(_: dict[str, Any]) -> AsyncIterator[bytes]:
    yield b"data: \xff\xff\n\n"


async def not_a_completion(_: dict[str, Any]) -> AsyncIterator[bytes]:
    yield b"data: 7\n\n"


async def error_event(_: dict[str, Any]) -> AsyncIterator[bytes]:
    yield event("a")
    yield b'data: {"error": {"message": "out of memory"}}\n\n'


BROKEN = [
    (cut, BackendUnavailable, "closed the connection"),
    (not_json, BackendError, "JSON"),
    (not_utf8, BackendError, "UTF-8"),
    (not_a_completion, BackendError, "not a completion"),
    (error_event, BackendError, "out of memory"),
]


@pytest.mark.parametrize(("reply", "kind", "told"), BROKEN, ids=lambda v: getattr(v, "__name__", str(v)))
async def test_broken_streams(
    server: CompletionsServer, reply: Any, kind: type[BackendError], told: str
) -> None:
    server.reply = reply
    async with backend(server) as found:
        with pytest.raises(BackendError, match=told) as raised:
            await collect(found)
        assert type(raised.value) is kind


async def test_a_stream_without_done_has_ended(server: CompletionsServer) -> None:
    async def reply(_: dict[str, Any]) -> AsyncIterator[bytes]:
        yield event("42")

    server.reply = reply
    async with backend(server) as found:
        assert await collect(found) == ("42", "stop", None)


async def test_a_deadline_ends_a_slow_server(server: CompletionsServer) -> None:
    async def begins(_: dict[str, Any]) -> AsyncIterator[bytes]:
        yield event("word ")
        await asyncio.Event().wait()

    server.reply = begins
    async with backend(server) as found:
        text, reason, _ = await collect(found, GenerateRequest(PROMPT, heal=False, deadline_ms=1000))
        assert text.startswith("word")
        assert reason == "length"
        async with asyncio.timeout(60):
            await server.closed_by_client.wait()


async def test_stop_strings_beyond_the_servers_limit_hold(server: CompletionsServer) -> None:
    server.reply = says("one tw", "o th", "ree four five")
    stops = ("a", "b", "c", "d", "e ", "three")
    async with backend(server) as found:
        text, reason, _ = await collect(found, GenerateRequest(PROMPT, heal=False, stop=stops))
        assert (text, reason) == ("on", "stop")
        assert server.bodies[0]["stop"] == ["a", "b", "c", "d"]


async def test_healing_sends_the_cut_prompt_and_returns_what_follows(server: CompletionsServer) -> None:
    server.reply = says(" ans", "wer", " + 1")
    async with backend(server, fim_family="qwen") as found:
        text, _, _ = await collect(found, GenerateRequest(FimPrompt("x = ans", "\n")))
        assert text == "wer + 1"
        assert server.bodies[0]["prompt"] == "<|fim_prefix|>x =<|fim_suffix|>\n<|fim_middle|>"


async def test_a_different_word_is_retried_without_healing(server: CompletionsServer) -> None:
    async def reply(body: dict[str, Any]) -> AsyncIterator[bytes]:
        yield event("wer" if "x = ans" in body["prompt"] else " result", reason="stop")
        yield DONE

    server.reply = reply
    async with backend(server, fim_family="qwen") as found:
        assert await collect(found, GenerateRequest(FimPrompt("x = ans", "\n"))) == ("wer", "stop", None)
        assert [body["prompt"].startswith("<|fim_prefix|>x = ans") for body in server.bodies] == [False, True]


async def test_a_word_that_the_model_rejects_costs_one_request_a_key(server: CompletionsServer) -> None:
    """While a word is typed, the prompt without it stays the same, and so does the model's answer to it."""

    async def reply(body: dict[str, Any]) -> AsyncIterator[bytes]:
        yield event("wer" if "x = a" in body["prompt"] else " result", reason="stop")
        yield DONE

    server.reply = reply
    async with backend(server, fim_family="qwen") as found:
        for typed in ("a", "an", "ans", "answ"):
            assert (await collect(found, GenerateRequest(FimPrompt(f"x = {typed}", "\n"))))[0] == "wer"
        assert len(server.bodies) == 1 + 4
        # A word that the model agrees with is still healed.
        assert (await collect(found, GenerateRequest(FimPrompt("x = res", "\n"))))[0] == "ult"
        assert server.bodies[-1]["prompt"].startswith("<|fim_prefix|>x =<")
