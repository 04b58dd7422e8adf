"""What users of such tools report, each kind against a real HTTP server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from aix_lsp.backends import health
from aix_lsp.backends.address import parse
from aix_lsp.backends.base import BackendError, BackendUnavailable, GenerateRequest
from aix_lsp.backends.client import Client
from aix_lsp.fim.prompt import FimPrompt
from tests.backends.servers import DONE, CompletionsServer, Reply, event, says, serving, usage
from tests.backends.test_client import OK, raw, request_of
from tests.backends.test_openai import PROMPT, REQUEST, backend, collect, model


@pytest.fixture
async def server() -> AsyncIterator[CompletionsServer]:
    async with serving(CompletionsServer(says("4", "2"))) as running:
        yield running


@pytest.fixture
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_PAUSES_S", dict.fromkeys(health._PAUSES_S, (0.0,)))


# Proxies


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.0.0.1:1"])
async def test_a_proxy_is_never_asked_for_this_machine(
    server: CompletionsServer, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    asked: list[bytes] = []

    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await request_of(reader))
        writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()

    async with raw(proxy) as address:
        for variable in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(variable, address.root)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        if host.endswith(":1"):
            client = Client(parse(f"http://{host}"))
            with pytest.raises(BackendUnavailable, match="cannot be reached: "):
                await client.get(client.address.models)
            await client.close()
        else:
            async with backend(server, url=server.url.replace("127.0.0.1", host)) as found:
                assert (await collect(found))[0] == "42"
    assert not asked


LOCAL = [
    ("http://127.0.0.1:1", True),
    ("http://127.9.9.9", True),
    ("http://[::1]:8000", True),
    ("https://localhost", True),
    ("http://box.localhost:3", True),
    ("unix:/run/s", True),
    ("http://10.0.0.1", False),
    ("http://localhost.example", False),
    ("http://127.0.0.1.example", False),
]


@pytest.mark.parametrize(("url", "local"), LOCAL)
def test_what_this_machine_is(url: str, local: bool) -> None:
    assert parse(url).local == local


async def test_a_proxy_that_says_no_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()

    async with raw(proxy) as address:
        monkeypatch.setenv("HTTPS_PROXY", address.root.replace("//", "//me:sesame@"))
        monkeypatch.delenv("NO_PROXY", raising=False)
        client = Client(parse("https://models.example"))
        with pytest.raises(BackendError, match=r"The proxy http://localhost.*NO_PROXY") as raised:
            await client.get(client.address.models)
        await client.close()
    assert "key" not in str(raised.value)
    assert "sesame" not in str(raised.value)


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:1", "nonsense", "http://127.0.0.1:1"])
async def test_a_proxy_that_is_no_use_is_named(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    monkeypatch.setenv("HTTP_PROXY", proxy)
    monkeypatch.delenv("NO_PROXY", raising=False)
    client = Client(parse("http://models.example"))
    with pytest.raises(BackendError, match=f"proxy {proxy}"):
        await client.get(client.address.models)
    await client.close()


# Certificates


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
@pytest.mark.parametrize("content", [None, "", "no certificate"])
async def test_authorities_that_cannot_be_read_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, content: str | None
) -> None:
    file = tmp_path / "authorities.pem"
    if content is not None:
        file.write_text(content)
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    monkeypatch.setenv(variable, str(file))
    async with (
        serving(CompletionsServer(says())) as server,
        backend(server, url="https://models.example") as found,
    ):
        assert found.status.state == "refused"
        assert variable in found.status.message
        assert str(file) in found.status.message


async def test_a_missing_file_is_named_where_a_certificate_is_not_trusted(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/no/such/file")
    async with tls_server(certificate) as address:
        client = Client(address)
        with pytest.raises(BackendError, match="SSL_CERT_FILE names /no/such/file"):
            await client.get(address.models)
        await client.close()


async def test_a_folder_of_authorities(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = certificate.parent / "authorities"
    folder.mkdir()
    authority = certificate.with_suffix(".crt")
    made = await asyncio.create_subprocess_exec(
        "openssl", "x509", "-hash", "-noout", "-in", str(authority), stdout=asyncio.subprocess.PIPE
    )
    name, _ = await made.communicate()
    (folder / f"{name.decode().strip()}.0").write_bytes(authority.read_bytes())
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(folder))
    async with tls_server(certificate) as address:
        client = Client(address)
        assert await client.get(address.models) == {}
        await client.close()


def tls_server(certificate: Path) -> Any:
    import ssl

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        writer.write(OK)
        await writer.drain()
        writer.close()

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return raw(handler, context)


# Where to ask


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


# Strict servers


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
async def test_what_a_400_names_is_left_out_and_remembered(
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


async def test_a_refusal_that_nothing_mends_is_remembered_as_nothing(
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


# Failures while typing


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
    """The list of models is open, so that nothing but a completion shows what is wrong."""
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


async def test_pings_and_timings_are_no_errors(server: CompletionsServer) -> None:
    async def reply(_: dict[str, Any]) -> AsyncIterator[bytes]:
        yield b': ping\n\ndata: {"type": "ping"}\n\ndata: {"timings": {"ms": 3}}\n\n'
        yield event("42", reason="stop")
        yield DONE

    server.reply = reply
    async with backend(server) as found:
        assert (await collect(found))[:2] == ("42", "stop")


@pytest.mark.parametrize("status", [429, 503])
async def test_retry_after_is_waited_for_and_one_probe_follows(
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


async def test_a_probe_that_is_under_way_is_the_only_one(
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


# Context length


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
        # What is measured by the announced length fits at once.
        server.bodies.clear()
        fitting = DENSE[text][-int((announced - 64 - 32) * 2.6) :]
        assert (await collect(found, GenerateRequest(FimPrompt(fitting), heal=False)))[0] == "42"
        assert len(server.bodies) == 1


async def test_a_count_that_stops_at_the_limit(server: CompletionsServer) -> None:
    """As vLLM tells."""
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


# Redirects


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_on_the_same_host_stays_a_post(server: CompletionsServer, status: int) -> None:
    server.redirects = {"/v1/completions": (status, "/v2/completions")}
    async with backend(server) as found:
        for _ in range(2):
            assert (await collect(found))[0] == "42"
    assert [body["stream"] for body in server.bodies] == [True, True]
    assert server.paths.count("/v1/completions") == (1 if status in (301, 308) else 2)


async def test_a_redirect_to_another_host_is_said_and_the_key_stays_here(server: CompletionsServer) -> None:
    async with serving(CompletionsServer(says("42"))) as other:
        server.redirects = {"/v1/completions": (302, f"{other.url}/v1/completions?token=t")}
        async with backend(server, api_key="secret") as found:
            with pytest.raises(
                BackendError, match=f"redirects to {other.url}/v1/completions, another host"
            ) as raised:
                await collect(found)
            assert found.status.state == "refused"
            assert "token=t" not in str(raised.value)
        assert not other.paths


async def test_redirects_in_a_loop(server: CompletionsServer) -> None:
    server.redirects = {"/v1/completions": (302, "/v1/completions")}
    async with backend(server) as found:
        with pytest.raises(BackendError, match="loop"):
            await collect(found)


# What leaks into the text


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


# Odds and ends of the network


@pytest.mark.parametrize("kind", ["text/plain", "application/json", "application/octet-stream"])
async def test_events_whose_type_is_not_told(server: CompletionsServer, kind: str) -> None:
    server.content_type = kind
    async with backend(server) as found:
        assert (await collect(found))[0] == "42"


@pytest.mark.parametrize("key", ["secret\n", "  secret", "\tsecret\r\n"])
async def test_blanks_around_a_key(
    server: CompletionsServer, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.key = "secret"
    async with backend(server, api_key=key) as found:
        assert (await collect(found))[0] == "42"
    monkeypatch.setenv("AIX_LSP_API_KEY", key)
    async with backend(server) as found:
        assert (await collect(found))[0] == "42"


@pytest.mark.parametrize("key", ["se cret", "sé", "a\nX-Other: b", "“secret”"])
async def test_a_key_that_is_none_is_named(server: CompletionsServer, key: str) -> None:
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


async def test_blanks_around_a_url(server: CompletionsServer) -> None:
    async with backend(server, url=f" {server.url}/v1/\n") as found:
        assert (await collect(found))[0] == "42"


async def test_https_where_there_is_none(server: CompletionsServer) -> None:
    async with backend(server, url=server.url.replace("http:", "https:")) as found:
        assert found.status.state == "refused"
        assert "http://" in found.status.message


async def test_a_server_that_has_another_model_now_is_asked_for_that(server: CompletionsServer) -> None:
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


async def test_a_retry_after_of_nothing(server: CompletionsServer) -> None:
    server.refusal, server.refusal_headers = (429, {}), {"Retry-After": "0"}
    async with backend(server) as found:
        for _ in range(20):
            with pytest.raises(BackendUnavailable):
                await collect(found)
    assert len(server.bodies) == 1


# A server that hangs


async def test_a_server_that_never_answers_is_said_to(server: CompletionsServer) -> None:
    async def silent(_: dict[str, Any]) -> AsyncIterator[bytes]:
        await asyncio.Event().wait()
        yield b""

    server.reply = silent
    async with backend(server) as found:
        with pytest.raises(BackendUnavailable, match="not answered in time"):
            await collect(found, GenerateRequest(PROMPT, heal=False, deadline_ms=100))
        assert found.status.state == "failing"


async def test_a_server_that_is_killed_in_mid_stream(tmp_path: Path) -> None:
    async def forever(_: dict[str, Any]) -> AsyncIterator[bytes]:
        while True:
            yield event("word ")
            await asyncio.sleep(0.01)

    socket = tmp_path / "s"
    async with serving(CompletionsServer(forever), socket=socket) as first, backend(first) as found:
        stream = found.generate(REQUEST)
        await anext(stream)
        killed = asyncio.create_task(first.kill())
        with pytest.raises(BackendUnavailable, match="closed the connection"):
            async for _ in stream:
                pass
        await killed
        assert found.status.state == "away"
        socket.unlink(missing_ok=True)
        async with serving(CompletionsServer(says("42")), socket=socket):
            changed = asyncio.Event()
            found.on_status(lambda status: changed.set() if status.state == "ready" else None)
            async with asyncio.timeout(60):
                await changed.wait()
            assert (await collect(found))[0] == "42"
