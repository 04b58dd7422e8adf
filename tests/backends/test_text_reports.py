"""Server output that must not be shown, and keys and headers, as users report them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from aix_lsp.backends.base import (
    BackendError,
    BackendUnavailable,
)
from tests.backends.remote_backend import backend, collect, model
from tests.backends.servers import DONE, CompletionsServer, Reply, says

LEAKS = [
    ("codellama", ["return a + b", " <EO", "T>"], "return a + b"),
    ("codellama", ["return a + b", " <EOT"], "return a + b"),
    ("codestral", ["return a", "[SUF", "FIX]\nmore"], "return a"),
    ("starcoder", ["return a", "<file", "name>x.py\nmore"], "return a"),
    ("codegemma", ["return a", "<eos>"], "return a"),
    ("codegemma", ["return a", "<end_of_turn>\n"], "return a"),
    ("qwen", ["return a", "<|endof", "text|>import os"], "return a"),
    ("qwen", ["return a", "<|fim_", "middle|>x"], "return a"),
    ("", ["return a", "<|im_end|>"], "return a"),
    ("", ["return a", "<|endof"], "return a"),
    ("", ["if a <", " b:"], "if a < b:"),
    ("", ["if a ", "<"], "if a <"),
    ("qwen", ["x = '<|not a marker|>'"], "x = '<|not a marker|>'"),
]


@pytest.mark.parametrize(("family", "pieces", "shown"), LEAKS)
async def test_end_tokens_do_not_leak(
    server: CompletionsServer, family: str, pieces: list[str], shown: str
) -> None:
    server.reply = says(*pieces)
    async with backend(server, fim_family=family) as found:
        assert (await collect(found))[0] == shown


def pieces_of(*texts: str) -> Reply:
    """Events whose JSON keeps half surrogates as they are."""

    async def reply(_: dict[str, Any]) -> AsyncIterator[bytes]:
        for text in texts:
            yield b'data: {"choices": [{"text": "' + text.encode("ascii") + b'"}]}\n\n'
        yield DONE

    return reply


BROKEN = [
    (["x = '", "\\ud83c", "\\udf89", "'"], "x = '🎉'"),
    (["x = '", "\\ud83c"], "x = '"),
    (["x = '", "\\ud83c", "a"], "x = '"),
    (["x = '", "\\udf89", "a"], "x = '"),
    (["x = 1", "\\ufffd"], "x = 1"),
    (["x = 1", "\\ufffd\\ufffd", " y"], "x = 1"),
    (["gr\\u00fc", "n"], "grün"),
]


@pytest.mark.parametrize(("texts", "shown"), BROKEN)
async def test_broken_text_is_joined_or_dropped(
    server: CompletionsServer, texts: list[str], shown: str
) -> None:
    server.reply = pieces_of(*texts)
    async with backend(server) as found:
        text = (await collect(found))[0]
    assert text == shown
    json.dumps(text).encode()
    text.encode("utf-8")


@pytest.mark.parametrize("kind", ["text/plain", "application/json", "application/octet-stream"])
async def test_events_with_a_wrong_content_type(server: CompletionsServer, kind: str) -> None:
    server.content_type = kind
    async with backend(server) as found:
        assert (await collect(found))[0] == "42"


@pytest.mark.parametrize("key", ["secret\n", "  secret", "\tsecret\r\n"])
async def test_whitespace_around_a_key(
    server: CompletionsServer, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.key = "secret"
    async with backend(server, api_key=key) as found:
        assert (await collect(found))[0] == "42"
    monkeypatch.setenv("AIX_LSP_API_KEY", key)
    async with backend(server) as found:
        assert (await collect(found))[0] == "42"


@pytest.mark.parametrize("key", ["se cret", "sé", "a\nX-Other: b", "“secret”"])
async def test_an_invalid_key_is_named(server: CompletionsServer, key: str) -> None:
    async with backend(server, api_key=key) as found:
        assert "aix.apiKey" in found.status.message
        assert key not in found.status.message
    assert not server.paths


async def test_a_key_that_the_server_repeats_is_not_shown(server: CompletionsServer) -> None:
    server.refusal = (401, {"error": {"message": "Incorrect API key provided: sk-123. Find yours at x."}})
    async with backend(server, api_key="sk-123") as found:
        with pytest.raises(BackendError, match="Incorrect API key") as raised:
            await collect(found)
        assert "sk-123" not in str(raised.value) + found.status.message


async def test_whitespace_around_a_url(server: CompletionsServer) -> None:
    async with backend(server, url=f" {server.url}/v1/\n") as found:
        assert (await collect(found))[0] == "42"


async def test_https_to_a_server_without_tls(server: CompletionsServer) -> None:
    async with backend(server, url=server.url.replace("http:", "https:")) as found:
        assert found.status.state == "refused"
        assert "http://" in found.status.message


async def test_a_server_with_a_new_model_gets_requests_for_it(server: CompletionsServer) -> None:
    async with backend(server) as found:
        assert (await collect(found))[0] == "42"
        server.models = model("qwen", "vllm")
        server.judge = lambda body: (
            None if body["model"] == "qwen" else (404, {"error": "no model some-model"})
        )
        with pytest.raises(BackendError, match="no model some-model"):
            await collect(found)
        changed = asyncio.Event()
        found.on_status(lambda status: changed.set() if status.state == "ready" else None)
        async with asyncio.timeout(60):
            await changed.wait()
        assert (await collect(found))[0] == "42"
        assert server.bodies[-1]["model"] == "qwen"


async def test_a_retry_after_of_zero(server: CompletionsServer) -> None:
    server.refusal, server.refusal_headers = (429, {}), {"Retry-After": "0"}
    async with backend(server) as found:
        for _ in range(20):
            with pytest.raises(BackendUnavailable):
                await collect(found)
    assert len(server.bodies) == 1
