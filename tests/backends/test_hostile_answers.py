"""Servers that send too much, or values that are not valid addresses, numbers or lines."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest

from aix_lsp.backends import client, sse
from aix_lsp.backends.address import parse
from aix_lsp.backends.base import BackendError, Delta, GenerateRequest
from aix_lsp.backends.emulation import EmulatedStream
from aix_lsp.backends.failures import not_a_completion, refused, retry_after
from aix_lsp.backends.learned import FieldsRefused, too_long
from tests.backends.remote_backend import PROMPT, REQUEST, backend, collect, model
from tests.backends.servers import CompletionsServer, event, raw, request_of
from tests.test_logs import is_harmless

ADDRESS = parse("http://h:1")
BODIES = {
    "titles": "<html>" + "<title" * 1_000_000,
    "titles that do not end": "<html>" + "<title>" * 1_000_000,
    "tags that do not end": "<html>" + "<" * 1_000_000,
    "digits": "the context of " + "1" * 1_000_000,
    "a limit of 5,000 digits": "maximum context length is " + "9" * 5_000,
    "a limit in JSON": json.dumps({"error": {"message": "context size (" + "9" * 5_000}}),
    "a character's number": "<html><title>&#" + "1" * 5_000 + ";</title>",
    "a long word": "the context is too long: " + "max" * 1_000_000,
    "brackets": "[" * 1_000_000,
    "objects": '{"error":' * 900 + "1" + "}" * 900,
    "a terminal's orders": json.dumps({"error": {"message": "\x1b]0;x\x07\u009b2J\ud800 is\u2028gone"}}),
    "a page with a terminal's orders": "<html><title>\x1b[2Jgone</title>",
    "text with a terminal's orders": "\x1b[2J\r\x08gone",
    "many errors": json.dumps({"errors": [{"message": f"gone {'x' * 99}"}] * 50_000}),
    "zero bytes": "\0" * 100_000,
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
@pytest.mark.parametrize("status", [400, 429, 500])
def test_an_error_message_becomes_one_short_line(status: int, body: str) -> None:
    error = refused(status, body, ADDRESS)
    assert is_harmless(str(error)) and len(str(error)) < 600
    assert ("gone" in body) == ("gone" in str(error))
    told = too_long(error)
    assert told is None or max(told) < 10**9
    FieldsRefused().learn(error, {"prompt": "x", "max_tokens": 3})


@pytest.mark.parametrize("depth", [500, 900, 5000])
def test_a_deeply_nested_answer_is_not_a_completion(depth: int) -> None:
    told: list[Any] = []
    for _ in range(depth):
        told = [told]
    assert "not a completion" in str(not_a_completion(told))
    assert "not a completion" in str(not_a_completion({"error": {"loc": told}}))


@pytest.mark.parametrize(
    "value",
    ["9" * 5_000, "1e400", "-1", "x" * 8_000, "٣", "", "Fri, 31 Dec 9999 23:59:59 GMT",
     "Fri, 31 Dec 9999 23:59:59 +9999", "Fri, 31 Dec 99999999999999999999 23:59:59 GMT"],
)  # fmt: skip
@pytest.mark.parametrize("name", ["Retry-After", "retry-after-ms"])
def test_a_wait_is_capped_at_an_hour(name: str, value: str) -> None:
    wait_s = retry_after({name: value})
    assert wait_s is None or 0 <= wait_s <= 3600


def test_a_limit_on_another_field_is_not_the_context_length() -> None:
    for said in ("top_p must be <= 1", "`n` must be <= 4", "temperature must be <= 2.0"):
        assert too_long(BackendError(said, status=400, body=said)) is None
    said = "`inputs` tokens + `max_new_tokens` must be <= 2048"
    assert too_long(BackendError(said, status=422, body=said)) == (2048, 0)


@pytest.mark.parametrize(
    "target", ["http://[", "http://[::1", "//[", "javascript:x", "file:///etc/passwd", "http://h:99999/"]
)
async def test_a_redirect_to_an_invalid_address(server: CompletionsServer, target: str) -> None:
    async with backend(server) as found:
        server.redirects["/v1/completions"] = (307, target)
        with pytest.raises(BackendError, match="redirects to"):
            await collect(found)
        assert found.status.state == "refused"


@pytest.mark.parametrize("owner", ["vllm", "openai", "aix-lsp"])
@pytest.mark.parametrize("said", ["word ", "x", "y" * 50_000, "\n"])
async def test_an_endless_answer_is_cut_off(server: CompletionsServer, owner: str, said: str) -> None:
    """Whatever the server claims to be, even without a deadline."""

    async def endless(_: dict[str, Any]) -> AsyncIterator[bytes]:
        while True:
            yield event(said)
            await asyncio.sleep(0)

    server.models, server.reply = model("m", owner), endless
    async with backend(server) as found:
        async with asyncio.timeout(60):
            text, _, _ = await collect(found, GenerateRequest(PROMPT, max_tokens=8, heal=False))
        assert len(text) <= 8 * 256 + 256


def test_an_endless_line_is_scanned_only_once() -> None:
    stream = EmulatedStream(GenerateRequest(PROMPT, stop_when="line"), "")
    taken = stream.take(Delta("x" * 2_000_000))
    assert taken is not None and len(taken.text) == 2_000_000
    assert stream.take(Delta("\n" * 2_000_000 + "y")) == Delta("", finish_reason="stop")


def test_events_in_small_pieces_are_scanned_only_once(monkeypatch: pytest.MonkeyPatch) -> None:
    seen, ends = 0, sse._LINE_END

    class Counting:
        def split(self, data: bytes) -> list[bytes]:
            nonlocal seen
            seen += len(data)
            return ends.split(data)

    monkeypatch.setattr(sse, "_LINE_END", Counting())
    parser = sse.SseParser()
    for _ in range(1000):
        assert parser.feed(b"x" * 1000) == []
    assert parser.feed(b"\ndata: a\n\n") == ["a"]
    assert seen < 1_100_000


@pytest.mark.parametrize("status", [200, 500])
async def test_an_endless_body(monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        writer.write(f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\n\r\n[".encode())
        try:
            while True:
                writer.write(b'"busy", ' * 10_000)
                await writer.drain()
        except ConnectionError:
            pass

    async with raw(handler) as address:
        asking = client.HttpClient(address)
        with pytest.raises(BackendError, match="busy" if status == 500 else "more than 4 MiB") as raised:
            await asking.get(address.models)
        assert raised.value.trouble == "failing"
        await asking.close()


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
RAW = {
    "no length": b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n{}",
    "lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
    "no chunks": HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    "half a chunk": HEAD + b"Transfer-Encoding: chunked\r\n\r\n99\r\ndata: ",
    "no gzip": HEAD + b"Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\nxxxxx",
    "an encoding that nobody knows": HEAD + b"Content-Encoding: zstd\r\n\r\n" + bytes(99),
    "a bomb": HEAD + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(bytes(20 << 20)),
    "no content": b"HTTP/1.1 204 No Content\r\n\r\n",
    "nothing new": b"HTTP/1.1 304 Not Modified\r\n\r\n",
    "a redirect to nowhere": b"HTTP/1.1 302 Found\r\n\r\n",
    "a status that nobody knows": b"HTTP/1.1 999 What\r\n\r\n",
    "another protocol": b"HTTP/9.9 200 OK\r\n\r\n{}",
    "a type that is none": b"HTTP/1.1 200 OK\r\nContent-Type: ;;;\xff\r\n\r\n[",
    "a long header": HEAD + b"X: " + b"x" * 1_000_000 + b"\r\n\r\n",
    "many headers": HEAD + b"X: x\r\n" * 100_000 + b"\r\n",
    "binary data": HEAD + b"\r\n" + bytes(range(256)) * 99,
}


@pytest.mark.parametrize("answer", RAW.values(), ids=RAW.keys())
async def test_invalid_http_and_missing_answers(answer: bytes) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            await request_of(reader)
            writer.write(answer)
            await writer.drain()
            writer.close()

    async with raw(handler) as address:
        asking = client.HttpClient(address, silence_s=5)
        with pytest.raises(BackendError) as raised:
            await asking.get(address.models)
        assert raised.value.trouble is not None and is_harmless(str(raised.value))
        with suppress(BackendError):
            assert [told async for told in asking.events(address.completions, {})] == []
        await asking.close()


async def test_a_slow_error_body_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_ERROR_S", 0.2)

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        writer.write(b"HTTP/1.1 503 X\r\n\r\nit is busy")
        await writer.drain()
        await reader.read()

    async with raw(handler) as address:
        asking = client.HttpClient(address)
        async with asyncio.timeout(60):
            with pytest.raises(BackendError, match="it is busy"):
                await asking.get(address.models)
        await asking.close()


@pytest.mark.parametrize("size", [1, 2, 3, 7])
async def test_events_without_a_content_type_may_be_split_anywhere(
    server: CompletionsServer, size: int
) -> None:
    async def pieces(_: dict[str, Any]) -> AsyncIterator[bytes]:
        stream = b": ping\n\n" + event("42", reason="stop")
        for start in range(0, len(stream), size):
            yield stream[start : start + size]
            await asyncio.sleep(0.001)

    server.content_type, server.reply = "application/octet-stream", pieces
    async with backend(server) as found:
        assert (await collect(found))[:2] == ("42", "stop")


async def test_a_key_in_a_stream_is_not_shown(server: CompletionsServer) -> None:
    async def repeats(_: dict[str, Any]) -> AsyncIterator[bytes]:
        yield b'data: {"error": {"message": "Incorrect API key provided: sk-123."}}\n\n'

    server.reply, server.key = repeats, "sk-123"
    async with backend(server, api_key="sk-123") as found:
        with pytest.raises(BackendError, match="Incorrect API key") as raised:
            await collect(found, REQUEST)
        assert "sk-123" not in str(raised.value) + found.status.message
