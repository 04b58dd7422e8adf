"""The remote backend recognises each kind of server, and sends requests in the form that the server accepts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from aix_lsp.backends.base import (
    BackendError,
    BackendUnavailable,
    GenerateRequest,
    Usage,
)
from aix_lsp.backends.openai import OpenAIBackend
from aix_lsp.fim.confidence import ConfidenceThresholds
from aix_lsp.settings import Settings
from tests.backends.remote_backend import PROMPT, backend, collect, model, settled
from tests.backends.servers import DONE, CompletionsServer, says, serving

pytestmark = pytest.mark.usefixtures("short_pauses")


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


async def test_our_engine_gets_every_field_separately(server: CompletionsServer) -> None:
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
    assert (
        server.headers["x-session-id"] == "s:k"
    )  # routers use it to reach the replica that has the prompt cached


async def test_a_public_server_gets_no_session_id(server: CompletionsServer) -> None:
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


async def test_llama_cpp_with_an_unknown_model_gets_infill_requests(server: CompletionsServer) -> None:
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


async def test_answers_that_are_not_a_list_of_models(server: CompletionsServer) -> None:
    models: Any
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
