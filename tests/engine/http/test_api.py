"""The HTTP interface over a real server and the fake runner: every status, streams, leases, disconnecting
clients.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator

import aiohttp
import pytest

from aix_lsp.engine.options import LoadedModel
from aix_lsp.engine.parameters import CompletionParameters
from aix_lsp.engine.scheduling.schedule import StepLimits
from aix_lsp.engine.served import ServedModel
from aix_lsp.engine.step import Row
from aix_lsp.engine.text.corpus import digest
from aix_lsp.fim.prompt import FimPrompt
from tests.engine.fakes import Gate, until
from tests.engine.http.host import Host, serving
from tests.engine.tokenizers_for_tests import embedded


@pytest.fixture
async def host() -> AsyncIterator[Host]:
    async with serving() as host:
        yield host


async def test_whole_and_streamed_answers_agree(host: Host) -> None:
    body = {"prompt": "def f(x):\n    ret", "suffix": "\n", "max_tokens": 12}
    status, whole = await host.post(**body)
    events = await host.stream(**body)
    assert status == 200 and whole["object"] == "text_completion" and whole["model"] == "embedded"
    pieces = [choice for event in events for choice in event["choices"]]
    assert "".join(piece["text"] for piece in pieces) == whole["choices"][0]["text"]
    assert [p["finish_reason"] for p in pieces[:-1]] == [None] * (len(pieces) - 1)
    assert pieces[-1]["finish_reason"] == whole["choices"][0]["finish_reason"] == "length"
    assert events[-1]["choices"] == [] and events[-1]["usage"]["cached_tokens"] > 0
    assert events[-1]["aix"]["first_token_ms"] >= events[-1]["aix"]["queue_ms"] >= 0
    assert sum(piece["aix"]["tokens"] for piece in pieces) == whole["choices"][0]["aix"]["tokens"]
    assert whole["usage"]["prompt_tokens"] == events[-1]["usage"]["prompt_tokens"]


async def test_candidates_and_logprobs(host: Host) -> None:
    _, whole = await host.post(prompt="x = ", n=3, temperature=1.0, seed=7, max_tokens=5, logprobs=2)
    again = await host.post(prompt="x = ", n=3, temperature=1.0, seed=7, max_tokens=5, logprobs=2)
    assert [c["index"] for c in whole["choices"]] == [0, 1, 2]
    assert len({c["text"] for c in whole["choices"]}) == 3
    assert [c["text"] for c in again[1]["choices"]] == [c["text"] for c in whole["choices"]]
    for choice in whole["choices"]:
        assert len(choice["logprobs"]["tokens"]) == choice["aix"]["tokens"]
        assert choice["aix"]["logprob"] == pytest.approx(sum(choice["logprobs"]["token_logprobs"]))


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        (b"{", 400, "JSON"),
        (b"\xff", 400, "JSON"),
        (b"[" * 100_000, 400, "the body"),
        (b'{"max_tokens": "x"}', 400, "max_tokens"),
        (b'{"prompt": "x", "max_tokens": 2048}', 422, "max_tokens"),
    ],
)
async def test_bad_bodies(host: Host, body: bytes, status: int, says: str) -> None:
    async with host.session.post("/v1/completions", data=body) as response:
        assert response.status == status
        error = (await response.json())["error"]
    assert says in error["message"] and error["type"] == "invalid_request_error"


async def test_a_huge_body_is_refused(host: Host) -> None:
    async def drip() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield b" " * (1 << 20)

    for data in (b" " * ((2 << 20) + 1), drip()):
        with contextlib.suppress(aiohttp.ClientConnectionError):
            async with host.session.post("/v1/completions", data=data) as response:
                assert response.status == 413
    assert (await host.post(prompt="x", max_tokens=1))[0] == 200


async def test_closing_a_stream_cancels_even_the_running_step(host: Host) -> None:
    gate = Gate(host.runner)
    request = host.session.post("/v1/completions", json={"prompt": "x", "stream": True, "max_tokens": 500})
    response = await request
    await asyncio.to_thread(gate.reached.wait, 10)
    response.close()
    engine = host.service.served.engine if host.service.served else None
    assert engine is not None
    await until(lambda: not engine._wanted)
    gate.open.set()
    await until(lambda: engine.active == 0)
    assert host.runner.steps == 1


async def test_a_disconnecting_client_cancels_an_answer_that_is_not_streamed(host: Host) -> None:
    gate = Gate(host.runner)
    asking = asyncio.create_task(host.post(prompt="x", max_tokens=500))
    await asyncio.to_thread(gate.reached.wait, 10)
    asking.cancel()
    assert host.service.served
    engine = host.service.served.engine
    await until(lambda: not engine._wanted)
    gate.open.set()
    await until(lambda: engine.active == 0)


async def test_a_superseded_stream_says_cancelled(host: Host) -> None:
    gate = Gate(host.runner)
    key = {"stream_key": "doc"}
    first = asyncio.create_task(host.stream(prompt="x", aix=key, max_tokens=200))
    await asyncio.to_thread(gate.reached.wait, 10)
    second = asyncio.create_task(host.stream(prompt="xy", aix=key, max_tokens=3))
    await until(lambda: any(r.cancelled for r in list(host.service.served.engine._streams)))  # type: ignore[union-attr]
    gate.open.set()
    assert (await first)[-2]["choices"][0]["finish_reason"] == "cancelled"
    assert (await second)[-2]["choices"][0]["finish_reason"] == "length"


async def test_a_full_queue_answers_429() -> None:
    async with serving(limits=StepLimits(running=1, waiting=1)) as host:
        gate = Gate(host.runner)
        held = [asyncio.create_task(host.post(prompt="x", max_tokens=2)) for _ in range(2)]
        assert host.service.served
        engine = host.service.served.engine
        await until(lambda: engine.active == 2)
        async with host.session.post("/v1/completions", json={"prompt": "x"}) as response:
            assert response.status == 429 and response.headers["retry-after"]
        gate.open.set()
        assert [status for status, _ in await asyncio.gather(*held)] == [200, 200]


async def test_a_failed_step_is_an_error_and_the_next_works(host: Host) -> None:
    def fail(rows: object) -> None:
        raise RuntimeError("broken")

    host.runner.before = fail
    status, answer = await host.post(prompt="x")
    assert status == 500 and "log" in answer["error"]["message"]
    assert "error" in (await host.stream(prompt="x"))[-1]
    host.runner.before = lambda rows: None
    assert (await host.post(prompt="x", max_tokens=1))[0] == 200


async def test_before_the_model_is_loaded() -> None:
    async with serving(loaded=False) as host:
        async with host.session.post("/v1/completions", json={"prompt": "x"}) as response:
            assert response.status == 503 and response.headers["retry-after"]
        async with host.session.get("/health") as response:
            assert response.status == 503 and (await response.json())["state"] == "loading"
        async with host.session.get("/v1/models") as response:
            assert (await response.json())["data"] == []
        async with host.session.get("/metrics") as response:
            assert "aix_requests" in await response.text()


async def test_recall_uses_texts_sent_before(host: Host) -> None:
    text = "result = open_everything(now)\n"
    rows: list[Row] = []
    host.runner.before = rows.extend
    for texts, weight, mixed in (
        ([], 1, False),
        ([text], None, False),
        ([text], 0, False),
        ([text], 1, True),
    ):
        async with host.session.post("/aix/corpus", json={"texts": texts}) as response:
            assert response.status == 200
        rows.clear()
        aix = {"recall": weight, "corpus": ["unknown", digest(text)], "heal": False}
        await host.post(prompt="result = open", max_tokens=1, aix=aix)
        assert any(mixture for row in rows for mixture in row.mixtures) == mixed


async def test_recall_uses_context_that_the_prompt_format_cannot_hold(host: Host) -> None:
    rows: list[Row] = []
    host.runner.before = rows.extend
    context = [{"path": "b.py", "text": "result = open_everything(now)\n"}]
    for given in ([], context):
        rows.clear()
        await host.post(
            prompt="result = open", max_tokens=1, aix={"recall": 1, "context": given, "heal": False}
        )
        assert any(mixture for row in rows for mixture in row.mixtures) == bool(given)


@pytest.mark.parametrize(
    ("body", "status"), [({"texts": 1}, 400), ({"texts": [1]}, 400), ([], 400), ({"texts": ["x" * 100]}, 413)]
)
async def test_wrong_texts_are_refused(
    host: Host, body: object, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aix_lsp.engine.http.body.LARGEST_BODY", 64)
    async with host.session.post("/aix/corpus", json=body) as response:
        assert response.status == status and (await response.json())["error"]["message"]


async def test_a_small_model_declares_recall(host: Host) -> None:
    assert host.service.served is not None and not host.service.served.card.recall
    for parameters, weight in ((1_000_000, 1.0), (500_000_000, 0.5), (10_000_000_000, 0.0)):
        model = LoadedModel(
            host.runner, embedded(), "x", "cpu", "float32", 2048, frozenset({0}), parameters=parameters
        )
        served = ServedModel(model)
        assert served.card.json()["recall"] == (weight > 0)
        for asked, expected in ((None, weight), (0.25, 0.25)):
            given = CompletionParameters(FimPrompt("result = open"), max_tokens=1, recall=asked)
            assert served._prepare(given, 0.0).recall_weight == expected


async def test_health_models_metrics(host: Host) -> None:
    await host.post(prompt="x", max_tokens=3)
    async with host.session.get("/health") as response:
        assert response.status == 200 and (await response.json())["state"] == "ready"
    async with host.session.get("/v1/models") as response:
        (model,) = (await response.json())["data"]
    assert model["id"] == "embedded" and model["aix"]["fim"] and model["aix"]["context_length"] == 2048
    async with host.session.get("/metrics") as response:
        text = await response.text()
    assert 'aix_requests_total{end="complete"} 1.0' in text and 'aix_pool_pages{state="held"} 0.0' in text


async def test_events_report_each_change_and_are_a_lease(host: Host) -> None:
    presence = host.service.presence
    async with host.session.get("/aix/events") as response:
        assert json.loads((await response.content.readline())[6:])["state"] == "ready"
        assert presence.idle_seconds() == 0
        await response.content.readline()
        host.service.board.publish({"state": "error", "message": "x"})
        assert json.loads((await response.content.readline())[6:])["state"] == "error"
    await until(lambda: presence.idle_seconds() > 0)


async def test_quiet_streams_are_kept_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aix_lsp.engine.http.api._BEAT_S", 0.02)
    async with serving() as host, host.session.get("/aix/events") as response:
        lines = [await response.content.readline() for _ in range(6)]
    assert [line for line in lines if line.startswith(b":")]


async def test_every_route_requires_the_token() -> None:
    async with serving(token="secret") as host:
        for path in ("/health", "/metrics", "/v1/models", "/aix/events"):
            async with host.session.get(path) as response:
                assert response.status == 401 and "token" in (await response.json())["error"]["message"]
        wrong = {"authorization": "Bearer secre"}
        async with host.session.get("/health", headers=wrong) as response:
            assert response.status == 401
        right = {"authorization": "Bearer secret", "origin": "http://page"}
        async with host.session.get("/health", headers=right) as response:
            assert response.status == 200


async def test_web_pages_may_not_use_an_engine_without_a_token() -> None:
    async with serving(headers={"origin": "http://evil.example"}) as host:
        assert (await host.post(prompt="x"))[0] == 403


async def test_a_half_sent_request_holds_no_resources(host: Host) -> None:
    _, writer = await host.connect()
    writer.write(b"POST /v1/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{")
    await writer.drain()
    await until(lambda: host.service.presence.idle_seconds() == 0)
    assert host.model.engine.active == 0
    writer.close()
    await until(lambda: host.service.presence.idle_seconds() > 0)
