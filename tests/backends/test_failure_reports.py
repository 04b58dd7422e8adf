"""Failures during typing and prompts that are too long, as users report them, against a real HTTP server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from aix_lsp.backends.base import (
    BackendError,
    BackendUnavailable,
    GenerateRequest,
)
from aix_lsp.fim.prompt import FimPrompt
from tests.backends.remote_backend import backend, collect
from tests.backends.servers import DONE, CompletionsServer, event, usage

FAILURES = [
    (401, {"error": {"message": "invalid key 7"}}, "refused", "invalid key 7"),
    (402, {"error": {"message": "Insufficient Balance"}}, "refused", "Insufficient Balance"),
    (403, "Forbidden", "refused", "aix.apiKey"),
    (404, {"detail": "Not Found"}, "refused", "aix.remoteModel"),
    (500, {"error": "cuda out of memory"}, "failing", "cuda out of memory"),
    (
        502,
        "<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>",
        "failing",
        "502 Bad Gateway",
    ),
    (200, "<!DOCTYPE html><html><title>Sign in</title></html>", "failing", "Sign in"),
    (200, {"error": {"message": "model is gone"}}, "failing", "model is gone"),
    (200, {"error": "model is gone"}, "failing", "model is gone"),
    (200, {"object": "error", "message": "model is gone", "code": 404}, "refused", "model is gone"),
    (200, {"code": 1113, "msg": "model is gone", "success": False}, "failing", "model is gone"),
    (200, {"detail": [{"msg": "model is gone"}]}, "failing", "model is gone"),
    (200, {"errors": [{"message": "model is gone"}]}, "failing", "model is gone"),
    (200, [{"error": {"code": 429, "message": "model is gone"}}], "throttled", "model is gone"),
    (200, {"fault": {"faultstring": "model is gone"}}, "failing", "model is gone"),
    (200, {"error": {"type": "invalid_api_key", "message": "model is gone"}}, "refused", "model is gone"),
    (200, {"choices": "none"}, "failing", "not a completion"),
    (200, 7, "failing", "not a completion"),
    (429, {"error": {"message": "slow down"}}, "throttled", "slow down"),
    (503, {"error": {"message": "Loading model"}}, "throttled", "Loading model"),
]


@pytest.mark.parametrize(("status", "said", "state", "words"), FAILURES)
async def test_failures_while_typing_are_shown_and_cost_one_request(
    server: CompletionsServer, monkeypatch: pytest.MonkeyPatch, status: int, said: Any, state: str, words: str
) -> None:
    """The list of models needs no key, so only a completion reveals the failure."""
    server.refusal = (status, said)
    async with backend(server) as found:
        assert found.status.state == "ready"
        for _ in range(20):
            with pytest.raises(BackendError):
                await collect(found)
            assert found.status.state == state
            assert words in found.status.message
        assert len(server.bodies) == 1
        server.refusal = None
        monkeypatch.setattr(found._health, "retry_at", 0.0)
        assert (await collect(found))[0] == "42"
        assert found.status.state == "ready"
        assert len(server.bodies) == 2


async def test_an_error_in_the_stream(server: CompletionsServer) -> None:
    async def reply(_: dict[str, Any]) -> AsyncIterator[bytes]:
        yield b"event: error\ndata: upstream has died\n\n"

    server.reply = reply
    async with backend(server) as found:
        with pytest.raises(BackendError, match="upstream has died"):
            await collect(found)
        assert found.status.state == "failing"


async def test_pings_and_timings_are_not_errors(server: CompletionsServer) -> None:
    async def reply(_: dict[str, Any]) -> AsyncIterator[bytes]:
        yield b': ping\n\ndata: {"type": "ping"}\n\ndata: {"timings": {"ms": 3}}\n\n'
        yield event("42", reason="stop")
        yield DONE

    server.reply = reply
    async with backend(server) as found:
        assert (await collect(found))[:2] == ("42", "stop")


@pytest.mark.parametrize("status", [429, 503])
async def test_retry_after_is_respected_and_followed_by_one_probe(
    server: CompletionsServer, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    server.refusal, server.refusal_headers = (status, {"error": "too many"}), {"Retry-After": "60"}
    async with backend(server) as found:
        clock = asyncio.get_running_loop().time()
        for _ in range(20):
            with pytest.raises(BackendUnavailable):
                await collect(found)
        assert found.status.state == "throttled"
        assert "60 s" in found.status.message
        assert clock + 59 < found._health.retry_at < clock + 75
        asked = list(server.paths)
        assert len(server.bodies) == 1
        monkeypatch.setattr(found._health, "retry_at", 0.0)
        for _ in range(20):
            with pytest.raises(BackendUnavailable):
                await collect(found)
        assert server.paths[len(asked) :] == ["/v1/completions"]


async def test_only_one_probe_is_sent_at_a_time(
    server: CompletionsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, answer = asyncio.Event(), asyncio.Event()
    server.refusal = (500, "oops")

    async def slow(_: dict[str, Any]) -> AsyncIterator[bytes]:
        asked.set()
        await answer.wait()
        yield event("42", reason="stop")

    async with backend(server) as found:
        with pytest.raises(BackendError):
            await collect(found)
        server.refusal, server.reply = None, slow
        monkeypatch.setattr(found._health, "retry_at", 0.0)
        async with asyncio.TaskGroup() as group:
            probe = group.create_task(collect(found))
            await asked.wait()
            for _ in range(5):
                with pytest.raises(BackendError, match="oops"):
                    await collect(found)
            answer.set()
        assert probe.result()[0] == "42"
        assert len(server.bodies) == 2


def too_long(limit: int, count: Any) -> Any:
    def judge(body: dict[str, Any]) -> tuple[int, Any] | None:
        tokens = count(body["prompt"]) + body["max_tokens"]
        if tokens <= limit:
            return None
        return 400, {
            "error": {
                "message": f"This model's maximum context length is {limit} tokens. However, you requested {tokens} "
                f"tokens ({tokens - body['max_tokens']} in the prompt, {body['max_tokens']} in the completion). "
                "Please reduce the length of the prompt."
            }
        }

    return judge


DENSE = {
    "numbers": "3141592653 " * 900,
    "hexadecimal": "9f86d081884c7d65\n" * 600,
    "japanese": "これは長い文章です。" * 1000,
    "emoji": "🎉🚀" * 4000,
}


@pytest.mark.parametrize("text", DENSE)
async def test_context_length_is_learnt_from_a_400(server: CompletionsServer, text: str) -> None:
    server.judge = too_long(4096, lambda prompt: len(prompt.encode()) // 2 + 1)
    prompt = FimPrompt(DENSE[text], "\nprint(x)\n")
    async with backend(server, fim_family="qwen") as found:
        assert (await collect(found, GenerateRequest(prompt, heal=False)))[0] == "42"
        assert found.status.state == "ready"
        assert found.status.model is not None
        announced = found.status.model.context_length
        assert announced < 4096
        assert len(server.bodies) <= 3
        kept = server.bodies[-1]["prompt"]
        assert DENSE[text][-40:] in kept
        # A prompt cut to the announced length fits at once.
        server.bodies.clear()
        fitting = DENSE[text][-int((announced - 64 - 32) * 2.6) :]
        assert (await collect(found, GenerateRequest(FimPrompt(fitting), heal=False)))[0] == "42"
        assert len(server.bodies) == 1


async def test_a_count_that_stops_at_the_limit(server: CompletionsServer) -> None:
    """As vLLM reports it."""
    said = (
        "This model's maximum context length is 1024 tokens. However, your prompt contains at least 1025 input tokens, "
        "which exceeds this limit even without any output tokens. (parameter=input_tokens, value=1025)"
    )
    server.judge = lambda body: (400, {"error": {"message": said}}) if len(body["prompt"]) > 1000 else None
    async with backend(server, fim_family="qwen") as found:
        assert (await collect(found, GenerateRequest(FimPrompt("π" * 6000), heal=False)))[0] == "42"
        assert len(server.bodies) <= 5
        assert found.status.state == "ready"
        assert found.status.model is not None
        assert found.status.model.context_length < 512


async def test_context_length_is_learnt_from_usage_and_given_back(server: CompletionsServer) -> None:
    tokens = 2000

    async def reply(_: dict[str, Any]) -> AsyncIterator[bytes]:
        yield event("42", reason="stop")
        yield usage(tokens, 0, 2)
        yield DONE

    server.reply = reply
    request = GenerateRequest(FimPrompt("x" * 2600), heal=False)
    async with backend(server) as found:
        await collect(found, request)
        assert found.status.model is not None
        assert found.status.model.context_length == 2048
        tokens = 650
        for _ in range(100):
            await collect(found, request)
        assert found.status.model.context_length == 4096
