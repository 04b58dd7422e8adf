"""The remote backend against a real HTTP server: streams, cancellation, trouble, how each server is asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from aix_lsp.backends import health
from aix_lsp.backends.base import (
    BackendError,
    BackendStatus,
    BackendUnavailable,
    Delta,
    GenerateRequest,
    Usage,
)
from aix_lsp.backends.openai import OpenAIBackend
from aix_lsp.fim.confidence import ConfidenceThresholds
from aix_lsp.fim.prompt import ContextFile, FimPrompt
from aix_lsp.settings import Settings
from tests.backends.servers import DONE, CompletionsServer, event, says, serving

PROMPT = FimPrompt(
    "x = ", "\nprint(x)\n", path="a.py", language="python", context=(ContextFile("b.py", "y = 1\n"),)
)
REQUEST = GenerateRequest(PROMPT, heal=False)


@asynccontextmanager
async def backend(server: CompletionsServer, **settings: Any) -> AsyncIterator[OpenAIBackend]:
    """A backend that has found the server, or has given up on it."""
    found = OpenAIBackend(Settings(url=settings.pop("url", server.url), **settings))
    try:
        await settled(found)
        yield found
    finally:
        await found.close()


async def settled(found: OpenAIBackend) -> BackendStatus:
    changed = asyncio.Event()
    unsubscribe = found.on_status(lambda _: changed.set())
    async with asyncio.timeout(60):
        while found.status.state in ("starting", "loading"):
            await changed.wait()
            changed.clear()
    unsubscribe()
    return found.status


async def collect(
    found: OpenAIBackend, request: GenerateRequest = REQUEST
) -> tuple[str, str | None, Usage | None]:
    text, reason, cost = "", None, None
    async for item in found.generate(request):
        if isinstance(item, Usage):
            cost = item
        else:
            text += item.text
            reason = item.finish_reason or reason
    return text, reason, cost


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server in trouble may be asked again at once."""
    monkeypatch.setattr(health, "_PAUSES_S", dict.fromkeys(health._PAUSES_S, (0.0,)))


@pytest.fixture
async def server() -> AsyncIterator[CompletionsServer]:
    async with serving(CompletionsServer(says("4", "2"))) as running:
        yield running


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
        assert (await anext(stream)).text.startswith("word")
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
    server.reply = endless
    async with backend(server) as found:
        text, reason, _ = await collect(found, GenerateRequest(PROMPT, heal=False, deadline_ms=200))
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


async def test_no_server(server: CompletionsServer) -> None:
    found = OpenAIBackend(Settings(url="http://127.0.0.1:9"))
    try:
        with pytest.raises(BackendUnavailable):
            await collect(found)
        changed = asyncio.Event()
        found.on_status(lambda _: changed.set())
        async with asyncio.timeout(60):
            await changed.wait()
        assert found.status.message == (
            "http://127.0.0.1:9 cannot be reached: Connection refused. Start the server there, or change aix.url."
        )
    finally:
        await found.close()


@pytest.mark.parametrize("url", ["localhost:8000", "ftp://x", "http://", "http://x:99999", "nonsense"])
async def test_wrong_urls(url: str) -> None:
    found = OpenAIBackend(Settings(url=url))
    assert found.status.state == "error"
    assert "aix.url" in found.status.message
    with pytest.raises(BackendError, match=r"aix\.url"):
        await collect(found)
    await found.close()


async def test_a_password_in_the_url_is_not_shown(server: CompletionsServer) -> None:
    url = server.url.replace("http://", "http://me:sesame@")
    async with backend(server, url=url) as found:
        assert (await collect(found))[0] == "42"
        server.refusal = (500, "oops")
        with pytest.raises(BackendError) as raised:
            await collect(found)
        assert "sesame" not in str(raised.value)
    async with backend(server, url=url, api_key="k") as found:
        assert found.status.state == "refused"
        assert "aix.url" in found.status.message
        assert "sesame" not in found.status.message


async def test_found_again_when_it_comes_up_late(tmp_path: Path) -> None:
    found = OpenAIBackend(Settings(url=f"unix:{tmp_path}/s"))
    async with serving(CompletionsServer(says("42")), socket=tmp_path / "s"):
        assert (await settled(found)).state == "ready"
        assert (await collect(found))[0] == "42"
    await found.close()


async def test_key(server: CompletionsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    server.key = "secret"
    async with backend(server, api_key="secret") as found:
        assert (await collect(found))[0] == "42"
    monkeypatch.setenv("AIX_LSP_API_KEY", "secret")
    async with backend(server) as found:
        assert (await collect(found))[0] == "42"
    async with backend(server, api_key="wrong") as found:
        assert found.status.state == "refused"
        assert "aix.apiKey" in found.status.message


async def test_healing_sends_the_prompt_cut_and_gives_what_follows(server: CompletionsServer) -> None:
    server.reply = says(" ans", "wer", " + 1")
    async with backend(server, fim_family="qwen") as found:
        text, _, _ = await collect(found, GenerateRequest(FimPrompt("x = ans", "\n")))
        assert text == "wer + 1"
        assert server.bodies[0]["prompt"] == "<|fim_prefix|>x =<|fim_suffix|>\n<|fim_middle|>"


async def test_another_word_is_asked_for_again_without_healing(server: CompletionsServer) -> None:
    async def reply(body: dict[str, Any]) -> AsyncIterator[bytes]:
        yield event("wer" if "x = ans" in body["prompt"] else " result", reason="stop")
        yield DONE

    server.reply = reply
    async with backend(server, fim_family="qwen") as found:
        assert await collect(found, GenerateRequest(FimPrompt("x = ans", "\n"))) == ("wer", "stop", None)
        assert [body["prompt"].startswith("<|fim_prefix|>x = ans") for body in server.bodies] == [False, True]


async def test_a_word_that_the_model_declines_is_asked_for_once_a_key(server: CompletionsServer) -> None:
    """While a word is typed, the prompt without it stays the same, and so does what the model makes of it."""

    async def reply(body: dict[str, Any]) -> AsyncIterator[bytes]:
        yield event("wer" if "x = a" in body["prompt"] else " result", reason="stop")
        yield DONE

    server.reply = reply
    async with backend(server, fim_family="qwen") as found:
        for typed in ("a", "an", "ans", "answ"):
            assert (await collect(found, GenerateRequest(FimPrompt(f"x = {typed}", "\n"))))[0] == "wer"
        assert len(server.bodies) == 1 + 4
        # A word that the model likes is healed as ever.
        assert (await collect(found, GenerateRequest(FimPrompt("x = res", "\n"))))[0] == "ult"
        assert server.bodies[-1]["prompt"].startswith("<|fim_prefix|>x =<")


def model(name: str, owner: str, **rest: Any) -> dict[str, Any]:
    return {"data": [{"id": name, "owned_by": owner, **rest}]}


async def test_our_engine_is_told_everything_apart(server: CompletionsServer) -> None:
    server.models = model("embedded", "aix-lsp", aix={"family": "aix", "context_length": 2048, "fim": True})
    async with backend(server) as found:
        await collect(
            found,
            GenerateRequest(
                PROMPT,
                stream_key="s:k:more",
                deadline_ms=5000,
                stop_when="line",
                shown=2,
                accepted=1,
                confidence=ConfidenceThresholds(whole=0.5),
            ),
        )
    body = server.bodies[0]
    assert (body["prompt"], body["suffix"], body["stream"]) == (PROMPT.prefix, PROMPT.suffix, True)
    assert body["aix"] == {
        "path": "a.py",
        "language": "python",
        "context": [{"path": "b.py", "text": "y = 1\n"}],
        "stream_key": "s:k:more",
        "deadline_ms": 5000,
        "stop_when": "line",
        "confidence": {"whole": 0.5},
        "shown": 2,
        "accepted": 1,
    }
    assert server.headers["x-session-id"] == "s:k"  # routers send it where the prompt is cached


async def test_a_public_server_is_told_no_session(server: CompletionsServer) -> None:
    server.models = model("some-model", "somebody")
    async with backend(server) as found:
        await collect(found, GenerateRequest(PROMPT, heal=False, stream_key="s:k", shown=2))
    assert "x-session-id" not in server.headers and "shown" not in str(server.bodies[0])


async def test_vllm_shows_special_tokens_so_that_stops_find_them(server: CompletionsServer) -> None:
    server.models = model("Qwen/Qwen2.5-Coder-1.5B", "vllm")
    async with backend(server) as found:
        await collect(found)
    body = server.bodies[0]
    assert body["skip_special_tokens"] is False
    assert body["stream_options"]["continuous_usage_stats"] is True
    assert "<|file_sep|>a.py\n<|fim_prefix|>x = " in body["prompt"]
    assert len(body["stop"]) == 4


async def test_llama_cpp_with_an_unknown_model_is_asked_by_infill(server: CompletionsServer) -> None:
    async def reply(_: dict[str, Any]) -> AsyncIterator[bytes]:
        yield b'data: {"content": "4", "stop": false}\n\n'
        yield b'data: {"content": "2", "stop": true, "stop_type": "limit", "tokens_evaluated": 9, '
        yield b'"tokens_predicted": 2, "timings": {"cache_n": 7}}\n\n'

    server.reply, server.models = reply, model("/models/mystery.gguf", "llamacpp", meta={"n_ctx_train": 512})
    async with backend(server) as found:
        assert found.status.model is not None
        assert found.status.model.context_length == 512
        assert await collect(found) == ("42", "length", Usage(9, 7, 2))
    assert server.paths[-1] == "/infill"
    assert server.bodies[0]["input_extra"] == [{"filename": "b.py", "text": "y = 1\n"}]


async def test_ollama_lays_out_the_prompt_itself(server: CompletionsServer) -> None:
    server.models = model("qwen2.5-coder:1.5b", "library")
    server.extra = {"/api/version": {"version": "0.6"}}
    async with backend(server) as found:
        await collect(found)
    assert (server.bodies[0]["prompt"], server.bodies[0]["suffix"]) == (PROMPT.prefix, PROMPT.suffix)


async def test_chat_shaped_answers_of_a_fim_endpoint(server: CompletionsServer) -> None:
    async def reply(_: dict[str, Any]) -> AsyncIterator[bytes]:
        yield b'data: {"choices": [{"index": 0, "delta": {"content": "42"}, "finish_reason": "stop"}]}\n\n'
        yield DONE

    server.reply = reply
    url = f"{server.url}/v1/fim/completions"
    async with backend(server, url=url, remote_model="codestral", remote_format="suffix") as found:
        assert await collect(found) == ("42", "stop", None)
    assert server.paths == ["/v1/fim/completions"]
    assert server.bodies[0]["model"] == "codestral"


async def test_a_server_without_suffix_is_still_used(server: CompletionsServer) -> None:
    server.models = model("mystery", "somebody")
    told = {"error": {"message": "suffix is not currently supported"}}
    server.judge = lambda body: (400, told) if "suffix" in body else None
    async with backend(server) as found:
        assert (await collect(found))[0] == "42"
        assert found.status.model is not None
        assert not found.status.model.fim
        assert (await collect(found))[0] == "42"
    assert ["suffix" in body for body in server.bodies] == [True, False, False]


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"remote_model": "other"}, "aix.remoteModel"),
        ({"fim_family": "qwn"}, "aix.fimFamily"),
        ({"remote_format": "template"}, "aix.fimFamily"),
    ],
)
async def test_settings_that_do_not_fit_the_server(
    server: CompletionsServer, settings: dict[str, Any], told: str
) -> None:
    async with backend(server, **settings) as found:
        assert found.status.state == "error"
        assert told in found.status.message


async def test_answers_that_are_no_list_of_models(server: CompletionsServer) -> None:
    for models in ([], {"data": 3}, "x"):
        server.models = models
        async with backend(server) as found:
            assert "aix.url" in found.status.message


async def test_restart_finds_the_new_model(server: CompletionsServer) -> None:
    async with backend(server) as found:
        server.models = model("qwen", "vllm")
        await found.restart()
        status = await settled(found)
        assert status.model is not None
        assert (status.model.name, status.model.family) == ("qwen", "qwen")
