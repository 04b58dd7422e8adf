"""Addresses, and servers that reject unknown fields, as users report them, against a real HTTP server."""

from __future__ import annotations

from typing import Any

import pytest

from aix_lsp.backends.address import parse
from aix_lsp.backends.base import (
    BackendError,
    GenerateRequest,
)
from tests.backends.remote_backend import PROMPT, REQUEST, backend, collect, model
from tests.backends.servers import CompletionsServer

ENDPOINTS = [
    ("https://api.mistral.ai", "https://api.mistral.ai/v1/fim/completions"),
    ("https://codestral.mistral.ai/v1", "https://codestral.mistral.ai/v1/fim/completions"),
    ("https://api.deepseek.com", "https://api.deepseek.com/beta/completions"),
    ("https://api.deepseek.com/beta", "https://api.deepseek.com/beta/completions"),
    ("https://open.bigmodel.cn/api/paas/v4", "https://open.bigmodel.cn/api/paas/v4/completions"),
    ("https://ark.example/api/v3/", "https://ark.example/api/v3/completions"),
    ("https://x.example/v1beta/openai", "https://x.example/v1beta/openai/completions"),
    ("https://x.example/v1beta", "https://x.example/v1beta/completions"),
    ("https://mistral.ai.example", "https://mistral.ai.example/v1/completions"),
    ("http://h:1/some/place", "http://h:1/some/place/v1/completions"),
    ("http://h:1/vault", "http://h:1/vault/v1/completions"),
]


@pytest.mark.parametrize(("url", "completions"), ENDPOINTS)
def test_endpoints(url: str, completions: str) -> None:
    assert parse(url).completions == completions


@pytest.mark.parametrize("path", ["/v1/fim/completions", "/beta/completions"])
@pytest.mark.parametrize("name", ["codestral-latest", "deepseek-coder", "some-model"])
async def test_fim_endpoints_get_prompt_and_suffix(server: CompletionsServer, path: str, name: str) -> None:
    async with backend(server, url=server.url + path, remote_model=name) as found:
        assert (await collect(found))[0] == "42"
    assert server.paths == [path]
    body = server.bodies[0]
    assert (body["model"], body["prompt"], body["suffix"]) == (name, PROMPT.prefix, PROMPT.suffix)


async def test_a_base_that_ends_in_a_version(server: CompletionsServer) -> None:
    async with backend(server, url=f"{server.url}/api/paas/v4") as found:
        assert (await collect(found))[0] == "42"
    assert server.paths == ["/api/paas/v4/models", "/api/paas/v4/completions"]


async def test_the_first_model_that_can_complete(server: CompletionsServer) -> None:
    names = ["text-embedding-3-small", "bge-m3", "whisper-1", "qwen2.5-coder-7b", "starcoder2"]
    server.models = {"data": [{"id": name, "owned_by": "vllm"} for name in names]}
    async with backend(server) as found:
        assert "uses qwen2.5-coder-7b, one of 5 models" in found.status.message
        assert "aix.remoteModel" in found.status.message
        await collect(found)
    assert server.bodies[0]["model"] == "qwen2.5-coder-7b"


async def test_a_model_that_its_server_says_cannot_complete(server: CompletionsServer) -> None:
    server.models = {
        "data": [
            {
                "id": "mystery",
                "owned_by": "vllm",
                "capabilities": {"completion_fim": False, "completion_chat": False},
            },
            {"id": "puzzle", "owned_by": "vllm", "type": "embedding"},
            {"id": "codestral", "owned_by": "vllm", "capabilities": {"completion_fim": True}},
        ]
    }
    async with backend(server) as found:
        await collect(found)
    assert server.bodies[0]["model"] == "codestral"


async def test_a_server_without_a_list_of_models(server: CompletionsServer) -> None:
    server.models = None
    async with backend(server, url=f"{server.url}/there", remote_model="qwen") as found:
        assert found.status.state == "ready"
        assert (await collect(found))[0] == "42"


@pytest.mark.parametrize(
    ("field", "status", "said"),
    [
        ("stream_options", 400, {"error": {"message": "Unrecognized request argument supplied: stream_options"}}),
        ("stream_options", 422, {"detail": [{"type": "extra_forbidden", "loc": ["body", "stream_options"],
                                             "msg": "Extra inputs are not permitted", "input": {"include_usage": 1}}]}),
        ("top_p", 400, {"error": {"message": "unsupported value", "param": "top_p"}}),
        ("stop", 400, {"message": "property 'stop' is unsupported"}),
        ("temperature", 400, {"error": {"message": "Unsupported parameter: 'temperature'"}}),
        ("suffix", 400, {"error": "suffix is not currently supported"}),
        ("stream_options", 400, {"error": {"message": "you sent something that I do not know"}}),
        ("stream_options", 400, "unknown field"),
    ],
)  # fmt: skip
async def test_a_field_named_in_a_400_is_left_out_from_then_on(
    server: CompletionsServer, field: str, status: int, said: Any
) -> None:
    server.models = model("mystery" if field == "suffix" else "qwen", "vllm" if field != "suffix" else "x")
    server.judge = lambda body: (status, said) if field in body else None
    request = GenerateRequest(PROMPT, heal=False, stop=("###",))
    async with backend(server) as found:
        for _ in range(3):
            assert (await collect(found, request))[0] == "42"
            assert found.status.state == "ready"
    assert [field in body for body in server.bodies] == [True, False, False, False]


async def test_a_llama_cpp_whose_model_knows_no_infill_continues_the_prefix(
    server: CompletionsServer,
) -> None:
    server.models = model("mystery.gguf", "llamacpp")
    told = {
        "error": {"code": 501, "message": "Infill is not supported by this model: prefix token is missing."}
    }
    server.judge = lambda body: (501, told) if "input_prefix" in body else None
    async with backend(server) as found:
        for _ in range(2):
            assert (await collect(found))[0] == "42"
        assert found.status.state == "ready"
        assert found.status.model is not None and not found.status.model.fim
    assert server.paths[-3:] == ["/infill", "/v1/completions", "/v1/completions"]
    assert "suffix" not in server.bodies[-1]


async def test_a_gateway_that_names_one_field_after_the_other(server: CompletionsServer) -> None:
    server.models = model("qwen", "vllm")
    known = {"model", "prompt", "max_tokens", "stream"}

    def judge(body: dict[str, Any]) -> tuple[int, Any] | None:
        unknown = [name for name in body if name not in known]
        return (400, {"error": {"message": f"Unknown field `{unknown[0]}`"}}) if unknown else None

    server.judge = judge
    async with backend(server) as found:
        assert (await collect(found))[0] == "42"
        asked = len(server.bodies)
        assert (await collect(found))[0] == "42"
    assert len(server.bodies) == asked + 1
    assert set(server.bodies[-1]) == known


async def test_max_tokens_by_its_newer_name(server: CompletionsServer) -> None:
    told = {"error": {"message": "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."}}
    server.judge = lambda body: (400, told) if "max_tokens" in body else None
    async with backend(server) as found:
        assert (await collect(found))[0] == "42"
    assert server.bodies[-1]["max_completion_tokens"] == REQUEST.max_tokens


async def test_a_refusal_that_no_change_cures_changes_no_request(
    server: CompletionsServer, short_pauses: None
) -> None:
    server.models = model("qwen", "vllm")
    server.refusal = (400, {"error": {"message": "not today"}})
    async with backend(server) as found:
        with pytest.raises(BackendError, match="not today"):
            await collect(found)
        server.refusal = None
        assert (await collect(found))[0] == "42"
    assert "stream_options" in server.bodies[-1]
