"""Several servers, some of which are killed, hang or refuse: suggestions continue, and no error is shown."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from aix_lsp.backends import failover, health
from aix_lsp.backends.base import BackendError, BackendStatus, BackendUnavailable, Delta, GenerateRequest
from aix_lsp.backends.failover import FailoverBackend
from aix_lsp.backends.launch import connect
from aix_lsp.fim.prompt import FimPrompt
from aix_lsp.settings import Settings
from tests.backends.servers import DONE, CompletionsServer, Reply, event, says, serving
from tests.models import SMALL

NAMES = ("one", "two", "three")


@asynccontextmanager
async def several(
    count: int, **settings: Any
) -> AsyncIterator[tuple[FailoverBackend, list[CompletionsServer]]]:
    """A backend with several servers, each of which completes with its own name, once all are ready."""
    async with AsyncExitStack() as stack:
        servers = [
            await stack.enter_async_context(serving(CompletionsServer(says(name)))) for name in NAMES[:count]
        ]
        for server in servers:
            server.models = {"data": [{"id": "qwen", "owned_by": "vllm"}]}
        found = connect(Settings(url=[server.url for server in servers], **settings))
        assert isinstance(found, FailoverBackend)
        stack.push_async_callback(found.close)
        await until(lambda: all(server.status.state == "ready" for server in found._servers))
        yield found, servers


async def until(condition: Callable[[], bool], within_s: float = 30) -> None:
    async with asyncio.timeout(within_s):
        while not condition():
            await asyncio.sleep(0.01)


def request(document: int | str = 0, **more: Any) -> GenerateRequest:
    return GenerateRequest(FimPrompt("x = ", "\n"), heal=False, stream_key=f"s:{document}", **more)


async def collect(found: FailoverBackend, asked: GenerateRequest) -> str:
    return "".join([item.text async for item in found.generate(asked) if isinstance(item, Delta)])


def watched(found: FailoverBackend) -> list[BackendStatus]:
    seen: list[BackendStatus] = []
    found.on_status(seen.append)
    return seen


async def test_a_document_stays_with_its_server_and_documents_spread() -> None:
    async with several(3) as (found, _):
        homes = [await collect(found, request(document)) for document in range(60)]
        assert [await collect(found, request(document)) for document in range(60)] == homes
        assert [await collect(found, request(f"{document}:more")) for document in range(60)] == homes
        assert all(homes.count(name) >= 8 for name in NAMES)


async def test_only_the_order_of_the_list_decides_which_server_gets_a_document() -> None:
    """So that all of a user's windows, and the next session, find the prompt in the same cache."""
    async with several(2) as (found, servers):
        homes = [await collect(found, request(document)) for document in range(8)]
        other = connect(Settings(url=[server.url for server in servers]))
        assert isinstance(other, FailoverBackend)
        await until(lambda: all(server.status.state == "ready" for server in other._servers))
        assert [await collect(other, request(document)) for document in range(8)] == homes
        await other.close()


def begins(*texts: str) -> Reply:
    """A reply that writes the texts and then never ends."""

    async def reply(_: dict[str, Any]) -> AsyncIterator[bytes]:
        for text in texts:
            yield event(text)
        await asyncio.Event().wait()

    return reply


async def test_another_server_continues_after_the_text_that_a_killed_one_showed() -> None:
    async with several(2) as (found, servers):
        seen = watched(found)
        first = servers[NAMES.index(await collect(found, request()))]
        [second] = [server for server in servers if server is not first]
        first.reply = begins("begun,", "here,")
        second.reply = says("and ended there")
        stream = found.generate(request(max_tokens=20))
        assert await anext(stream) == Delta("begun,")
        assert await anext(stream) == Delta("here,")
        await first.kill()
        rest = [item async for item in stream]
        assert "".join(item.text for item in rest if isinstance(item, Delta)) == "and ended there"
        assert "x = begun,here," in second.bodies[-1]["prompt"]
        assert second.bodies[-1]["max_tokens"] < 20
        assert {status.state for status in seen} <= {"ready"}
        assert "1 of 2 servers" in found.status.message
        # The document has moved; its new server keeps it.
        assert await collect(found, request()) == "and ended there"


async def test_several_candidates_end_where_their_server_dies() -> None:
    async with several(2) as (found, servers):
        first = servers[NAMES.index(await collect(found, request()))]
        first.reply = begins("begun")
        stream = found.generate(request(n=2))
        assert await anext(stream) == Delta("begun")
        await first.kill()
        rest = [item async for item in stream]
        assert [(item.index, item.finish_reason) for item in rest if isinstance(item, Delta)] == [
            (0, "length"),
            (1, "length"),
        ]


@pytest.mark.parametrize("status", [401, 404, 429, 500, 503])
async def test_a_refusing_server_costs_one_request_and_recovers(
    status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with several(2) as (found, servers):
        seen = watched(found)
        bad = servers[NAMES.index(await collect(found, request()))]
        [good] = [server for server in servers if server is not bad]
        bad.refusal = (status, {"error": "no"})
        asked = len(bad.bodies)
        for document in range(20):
            assert await collect(found, request(document)) == NAMES[servers.index(good)]
        assert len(bad.bodies) == asked + 1
        bad.refusal = None
        member = found._servers[servers.index(bad)]
        monkeypatch.setattr(member._health, "retry_at", 0.0)
        await collect(found, request())  # a user's request is not what probes it
        await until(lambda: member.status.state == "ready")
        assert await collect(found, request()) == NAMES[servers.index(bad)]  # its documents return to it
        homes = {await collect(found, request(document)) for document in range(20, 60)}
        assert homes == {"one", "two"}
        assert {status.state for status in seen} <= {"ready"}


async def test_a_hanging_server_is_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    async with several(2) as (found, servers):
        slow = servers[NAMES.index(await collect(found, request()))]
        slow.reply = begins()
        with monkeypatch.context() as patch:
            patch.setattr(failover, "_FIRST_EVENT_S", 0.2)
            assert await collect(found, request()) in NAMES
        async with asyncio.timeout(60):
            await slow.closed_by_client.wait()
        asked = len(slow.bodies)
        assert await collect(found, request()) in NAMES
        assert len(slow.bodies) == asked  # the next request does not wait for it again


async def test_the_last_server_left_may_take_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failover, "_FIRST_EVENT_S", 0.05)
    async with several(2) as (found, servers):
        await servers[0].kill()

        async def slow(_: dict[str, Any]) -> AsyncIterator[bytes]:
            await asyncio.sleep(0.3)
            yield event("late", reason="stop")
            yield DONE

        servers[1].reply = slow
        for document in range(5):
            assert await collect(found, request(document)) == "late"
            assert found.status.state == "ready"


async def test_a_slow_server_is_used_again_if_the_other_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    """While one server reloads its model, the other gets all requests and is slow because of that."""
    monkeypatch.setattr(failover, "_FIRST_EVENT_S", 0.05)
    async with several(2) as (found, servers):
        home, other = servers if await collect(found, request()) == NAMES[0] else reversed(servers)
        asked: list[int] = []

        async def slow(_: dict[str, Any]) -> AsyncIterator[bytes]:
            asked.append(1)
            await asyncio.sleep(0.3)
            yield event("late", reason="stop")
            yield DONE

        home.reply = slow
        other.refusal = (503, {"error": "loading"})
        assert await collect(found, request()) == "late"
        assert len(asked) == 2 and found.status.state == "ready"


async def test_all_servers_gone() -> None:
    async with several(2) as (found, servers):
        for server in servers:
            await server.kill()
        with pytest.raises(BackendUnavailable, match="cannot be reached"):
            await collect(found, request())
        assert found.status.state == "away"
        assert found.status.message.startswith("None of 2 servers can be used. http://127.0.0.1:")
        with pytest.raises(BackendError):
            await collect(found, request())


WHOLE = "".join(f"w{number} " for number in range(12))


async def continues(body: dict[str, Any]) -> AsyncIterator[bytes]:
    """A model that continues `WHOLE` from where the prompt ends."""
    written = body["prompt"].partition("x = ")[2].partition("<|")[0]
    for at in range(len(written), len(WHOLE), 3):
        yield event(WHOLE[at : at + 3])
        await asyncio.sleep(0.002)
    yield event("", reason="stop")
    yield DONE


async def test_random_kills_lose_no_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One of two servers is always up; every request gets its whole answer."""
    monkeypatch.setattr(health, "_PAUSES_S", dict.fromkeys(health._PAUSES_S, (0.05,)))
    sockets = [tmp_path / name for name in NAMES[:2]]
    answered, kills = 0, 0
    stop = asyncio.Event()

    def asked(server: CompletionsServer) -> bool:
        return len(server.bodies) >= 3 or stop.is_set()

    def has_answered(count: int) -> bool:
        return answered >= count or stop.is_set()

    async def flapping(socket: Path) -> None:
        nonlocal kills
        while not stop.is_set():
            await asyncio.to_thread(socket.unlink, missing_ok=True)
            async with serving(CompletionsServer(continues), socket=socket) as server:
                server.models = {"data": [{"id": "qwen", "owned_by": "vllm"}]}
                await until(partial(asked, server))
                kills += not stop.is_set()
                await server.kill()
            await until(partial(has_answered, answered + 3))

    steady = tmp_path / "steady"
    async with serving(CompletionsServer(continues), socket=steady) as always, asyncio.TaskGroup() as group:
        always.models = {"data": [{"id": "qwen", "owned_by": "vllm"}]}
        for socket in sockets:
            group.create_task(flapping(socket))
        found = connect(Settings(url=[f"unix:{socket}" for socket in (steady, *sockets)]))
        assert isinstance(found, FailoverBackend)
        await until(lambda: found.status.state == "ready")
        seen = watched(found)
        for document in range(120):
            assert await collect(found, request(document, max_tokens=100)) == WHOLE
            answered += 1
        assert kills > 5
        assert {status.state for status in seen} <= {"ready"}
        stop.set()
        await found.close()


async def test_the_local_engine_takes_over_and_stops_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIX_LSP_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(failover, "_LOCAL_LINGERS_S", 0.1)
    monkeypatch.setattr(health, "_PAUSES_S", dict.fromkeys(health._PAUSES_S, (0.2,)))
    socket = tmp_path / "s"
    found = connect(
        Settings(url=f"unix:{socket}", local_fallback=True, model=str(SMALL), offline=True, idle_exit_s=1)
    )
    assert isinstance(found, FailoverBackend)
    try:
        await until(lambda: found.status.state == "ready", within_s=120)
        assert "the local engine" in found.status.message
        assert await collect(found, request(max_tokens=4)) is not None
        assert found._local is not None
        pid = found._local.pid  # type: ignore[attr-defined]
        os.kill(pid, 0)
        async with serving(CompletionsServer(says("remote")), socket=socket):
            await until(lambda: found._local is None)
            assert await collect(found, request()) == "remote"
            assert found.status.message == ""
    finally:
        await found.close()
