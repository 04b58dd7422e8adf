"""Hostile requests: slow, huge, many, forged. The engine keeps answering everyone else."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest

from aix_lsp.engine.http import api
from aix_lsp.engine.http.connections import Connections
from aix_lsp.engine.scheduling.schedule import StepLimits
from tests.engine.fakes import until
from tests.engine.http.host import Host, serving

LARGE = "x = 1\n" * 20_000
HOSTS = frozenset({"127.0.0.1", "[::1]", "localhost"})


@pytest.fixture
async def host() -> AsyncIterator[Host]:
    async with serving() as host:
        yield host


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("evil.example", 403),
        ("127.0.0.1.evil.example", 403),
        ("evil.example:8080", 403),
        ("[::2]:80", 403),
        ("", 403),
        ("127.0.0.1:8080", 200),
        ("localhost", 200),
        ("LOCALHOST:1", 200),
        ("[::1]:80", 200),
    ],
)
async def test_without_a_token_the_host_must_be_the_address(name: str, status: int) -> None:
    async with (
        serving(hosts=HOSTS) as host,
        host.session.get("/health", headers={"host": name}) as response,
    ):
        assert response.status == status


async def test_with_a_token_any_host_will_do() -> None:
    headers = {"host": "team.example", "authorization": "Bearer t"}
    async with serving(token="t", hosts=HOSTS, headers=headers) as host:
        assert (await host.post(prompt="x", max_tokens=1))[0] == 200


async def test_others_are_served_while_a_large_prompt_is_tokenised(host: Host) -> None:
    release = threading.Event()
    host.model.slow_work.submit(release.wait)
    large = asyncio.create_task(host.post(prompt=LARGE, max_tokens=1))
    await until(lambda: host.model._preparing.total() == 1)
    async with host.session.get("/health") as response:
        assert response.status == 200
    assert (await host.post(prompt="x", max_tokens=1))[0] == 200
    assert not large.done()
    release.set()
    assert (await large)[0] == 200


async def test_a_large_prompt_does_not_supersede_later_requests(host: Host) -> None:
    release = threading.Event()
    host.model.slow_work.submit(release.wait)
    key = {"stream_key": "document"}
    large = asyncio.create_task(host.post(prompt=LARGE, max_tokens=50, aix=key))
    await until(lambda: host.model._preparing.total() == 1)
    gate = threading.Event()
    host.runner.before = lambda rows: gate.wait(60)  # type: ignore[assignment]
    small = asyncio.create_task(host.post(prompt="x", max_tokens=2, aix=key))
    await until(lambda: host.model.engine.active == 1)
    release.set()
    await until(lambda: host.model.engine.active == 2)
    gate.set()
    assert (await large)[1]["choices"][0]["finish_reason"] == "cancelled"
    assert (await small)[1]["choices"][0]["finish_reason"] == "length"


async def test_one_client_cannot_have_unlimited_prompts_tokenised() -> None:
    async with serving(limits=StepLimits(client_waiting=1, client_running=1)) as host:
        release = threading.Event()
        host.model.slow_work.submit(release.wait)
        waiting = [asyncio.create_task(host.post(prompt=LARGE, max_tokens=1, user="a")) for _ in range(2)]
        await until(lambda: host.model._preparing["a"] == 2)
        assert (await host.post(prompt=LARGE, max_tokens=1, user="a"))[0] == 429
        other = asyncio.create_task(host.post(prompt=LARGE, max_tokens=1, user="b"))
        release.set()
        assert [status for status, _ in await asyncio.gather(*waiting, other)] == [200] * 3
        assert not host.model._preparing


async def test_watchers_leave_connections_for_requests(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "MOST_EVENTS", 3)
    watching = [await host.session.get("/aix/events") for _ in range(4)]
    assert [answer.status for answer in watching] == [200, 200, 200, 429]
    assert watching[-1].headers["retry-after"] == "5"
    assert (await host.post(prompt="x", max_tokens=1))[0] == 200
    watching[0].close()

    async def watched() -> bool:
        async with host.session.get("/aix/events") as answer:
            return answer.status == 200

    async with asyncio.timeout(60):
        while not await watched():
            await asyncio.sleep(0.01)
    for answer in watching:
        answer.close()


async def test_a_request_that_costs_too_much_is_refused_before_any_work(host: Host) -> None:
    status, answer = await host.post(prompt="x", n=16, max_tokens=1900)
    assert status == 422 and "n (16)" in answer["error"]["message"]
    assert host.runner.steps == 0


HOSTILE: list[dict[str, Any]] = [
    {"prompt": "x", "stop": ["s" * 64] * 4, "max_tokens": 200},
    {"prompt": "x", "aix": {"context": [{"path": "p" * 4000, "text": "é"}] * 256}},
    {"prompt": "x", "aix": {"middle": " " * 1_000_000}},
    {"prompt": "\n" * 600_000, "suffix": "(" * 600_000},
    {"prompt": "a" * 1_000_000, "aix": {"stop_when": "block", "path": "\0" * 99}},
    {"prompt": "\U0001f600" * 100_000, "temperature": 2, "top_k": 1_000_000, "n": 16, "logprobs": 20},
]


async def test_hostile_but_valid_requests_are_answered(host: Host) -> None:
    answers = await asyncio.gather(*(host.post(**{"max_tokens": 3, **body}) for body in HOSTILE))
    assert [status for status, _ in answers] == [200] * len(HOSTILE)
    await until(lambda: host.model.engine.active == 0)


async def test_a_body_that_never_arrives_times_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aix_lsp.engine.http.body._SLOWEST_S", 0.05)
    async with serving() as host:
        reader, writer = await host.connect()
        writer.write(b"POST /v1/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{")
        assert b"408" in await asyncio.wait_for(reader.readline(), 60)
        writer.close()


async def test_all_bodies_together_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving() as host:
        bodies = host.service.bodies
        monkeypatch.setattr(bodies, "_most", 2 << 20)
        _, writer = await host.connect()
        head = f"POST /v1/completions HTTP/1.1\r\nhost: x\r\ncontent-length: {3 << 19}\r\n\r\n"
        writer.write(head.encode() + b" " * (1 << 20))
        await until(lambda: bodies.held == 1 << 20)
        status, _ = await host.post(prompt="x" * (1 << 20), max_tokens=1)
        assert status == 429
        assert (await host.post(prompt="x", max_tokens=1))[0] == 200
        writer.close()
        await until(lambda: bodies.held == 0)
        assert (await host.post(prompt="x" * (1 << 20), max_tokens=1))[0] == 200


async def test_an_endless_request_head_times_out() -> None:
    for head in (b"", b"GET /health HTTP/1.1\r\nhost:"):
        async with serving(connections=Connections(head_s=0.05)) as host:
            reader, writer = await host.connect()
            writer.write(head)
            assert await asyncio.wait_for(reader.read(), 60) == b""
            writer.close()


async def test_a_request_head_of_a_megabyte_is_refused(host: Host) -> None:
    reader, writer = await host.connect()
    writer.write(b"GET /health HTTP/1.1\r\nhost: x\r\n" + b"x-y: zzzzzzzzzzzzzzzz\r\n" * 50_000)
    with pytest.raises(OSError):
        while await asyncio.wait_for(reader.read(100), 60):
            pass
        raise ConnectionResetError
    async with host.session.get("/health") as response:
        assert response.status == 200


async def test_silent_connections_do_not_keep_others_out() -> None:
    connections = Connections(most=20)
    async with serving(connections=connections) as host:
        silent = [await host.connect() for _ in range(60)]
        async with host.session.get("/health") as response:
            assert response.status == 200
        assert len(connections.open) <= 20
        for _, writer in silent:
            writer.close()
        await until(lambda: len(connections.open) <= 1)


async def test_a_client_that_does_not_read_is_disconnected() -> None:
    connections = Connections(unread_s=0.05)
    async with serving(connections=connections) as host:
        resume = threading.Event()
        # Far from its last token, so that only the cancellation can end it.
        host.runner.before = lambda rows: resume.wait(60) if host.runner.steps > 100 else None  # type: ignore[assignment]
        reader, writer = await host.connect()
        await until(lambda: len(connections.open) == 1)
        [connection] = connections.open
        connection.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        connection.transport.set_write_buffer_limits(high=1024)
        body = json.dumps({"prompt": "x", "max_tokens": 1500, "n": 4, "stream": True}).encode()
        head = f"POST /v1/completions HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n"
        reader._transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(head.encode() + body)
        await until(lambda: host.runner.steps > 0)
        await until(lambda: not connections.open)
        resume.set()
        await until(lambda: host.model.engine.active == 0)
        assert host.runner.steps < 1500
        assert (await host.post(prompt="x", max_tokens=1))[0] == 200
        writer.close()


async def test_requests_waiting_for_tokenisation_are_answered_when_the_engine_stops(host: Host) -> None:
    release = threading.Event()
    host.model.slow_work.submit(release.wait)
    large = asyncio.create_task(host.post(prompt=LARGE, max_tokens=1))
    await until(lambda: host.model._preparing.total() == 1)
    host.model.leave()
    assert (await large)[0] == 503
    late = host.post(prompt=LARGE, max_tokens=1)
    assert (await asyncio.wait_for(late, 60))[0] == 503
    release.set()


async def test_a_small_prompt_waits_for_no_thread_while_the_loop_has_time(host: Host) -> None:
    release = threading.Event()
    for worker in (host.model.slow_work, host.model.quick_work):
        worker.submit(release.wait)
    assert (await host.post(prompt="x", max_tokens=1))[0] == 200
    host.model._loop_free_at = float("inf")
    waiting = asyncio.create_task(host.post(prompt="x", max_tokens=1))
    await until(lambda: host.model._preparing.total() == 1)
    async with host.session.get("/health") as response:
        assert response.status == 200
    assert not waiting.done()
    release.set()
    assert (await waiting)[0] == 200
