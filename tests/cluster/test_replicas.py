"""Several replicas on a real Ray Serve: load adds and removes them, one dies, all are replaced. Takes minutes."""

from __future__ import annotations

import asyncio
import json
import math
import os
import signal
from typing import Any

import aiohttp
import pytest

from tests.cluster import NEEDS_RAY
from tests.cluster.test_cluster import START_S, a_client_who_leaves_frees_the_pages, modes_of_folders, run
from tests.serve.server import ADMIN, Server, ask, serving

pytestmark = [NEEDS_RAY, pytest.mark.cluster, pytest.mark.timeout(1800)]


async def status(server: Server) -> dict[str, Any]:
    async with server.session(ADMIN) as session, session.get("/admin/status") as answer:
        return dict(await answer.json())


async def replicas(server: Server, count: int) -> None:
    """Wait until `count` replicas run."""
    async with asyncio.timeout(START_S):
        while (await status(server))["replicas"] != count:
            await asyncio.sleep(0.2)


async def test_load_adds_a_replica_and_its_end_removes_it() -> None:
    scale = ("--most-replicas", "2", "--up-after-s", "1", "--down-after-s", "2")
    async with serving(*scale, command="cluster", within=START_S) as server:
        ann = server.token("ann")
        await server.known(ann)
        found: list[int] = []
        stop = asyncio.Event()

        async def typing(number: int) -> None:
            async with server.session(ann) as session:
                while not stop.is_set():
                    headers = {"x-session-id": f"document {number}"}
                    body = {"prompt": f"x{number} = ", "max_tokens": 200}
                    async with session.post("/v1/completions", json=body, headers=headers) as answer:
                        await answer.read()
                        found.append(answer.status)

        await replicas(server, 1)
        typists = [asyncio.create_task(typing(number)) for number in range(7)]
        await replicas(server, 2)
        stop.set()
        await asyncio.gather(*typists)
        assert set(found) == {200}
        await replicas(server, 1)


async def test_replicas_share_a_quota() -> None:
    async with serving("--replicas", "2", command="cluster", within=START_S) as server:
        token = server.token("ann", "limited")
        content = json.loads(server.users.read_text())
        content["classes"] = {"limited": {"userTokensAMinute": 10}}
        server.users.write_text(json.dumps(content))
        await server.known(token)

        async def left(document: int) -> float:
            """The quota left, according to the replica that serves a document."""
            headers = {"x-session-id": f"document {document}"}
            async with (
                server.session(ADMIN) as session,
                session.get("/admin/users", headers=headers) as answer,
            ):
                users = (await answer.json())["users"]
                return float(users[0]["tokensLeft"] if users else math.inf)

        async with server.session(token) as session:
            async with asyncio.timeout(START_S):  # until both have read the quota
                while any([await left(document) != 10 for document in range(12)]):
                    await asyncio.sleep(0.1)
            assert (await ask(session, max_tokens=100))[0] == 200
            async with asyncio.timeout(60):
                while any([await left(document) > 0 for document in range(12)]):
                    await asyncio.sleep(0.1)
            for document in range(12):
                headers = {"x-session-id": f"document {document}"}
                body = {"prompt": "x = ", "max_tokens": 4}
                async with session.post("/v1/completions", json=body, headers=headers) as answer:
                    assert answer.status == 429


async def test_haproxy_keeps_documents_on_their_replica_and_forwards_disconnects() -> None:
    async with serving("--replicas", "2", "--haproxy", command="cluster", within=START_S) as server:
        ann = server.token("ann")
        await server.known(ann)
        await replicas(server, 2)

        async def of(document: int) -> int:
            """The replica that serves a document."""
            headers = {"x-session-id": f"document {document}"}
            async with server.session() as session, session.get("/health", headers=headers) as answer:
                return int((await answer.json())["pid"])

        async with asyncio.timeout(START_S):  # until HAProxy knows both
            while len({await of(document) for document in range(24)}) < 2:
                await asyncio.sleep(0.1)
        assert [await of(document) for document in range(24)] == [
            await of(document) for document in range(24)
        ]
        await a_client_who_leaves_frees_the_pages(server, ann)
        assert await server.status("/v1/models") == 401
        assert await asyncio.to_thread(modes_of_folders, server) == {0o700}


async def test_a_dying_replica_and_a_rolling_restart() -> None:
    async with serving("--replicas", "2", command="cluster", within=START_S) as server:
        ann = server.token("ann")
        await server.known(ann)
        await replicas(server, 2)
        first = await server.worker()
        os.kill(first, signal.SIGKILL)
        async with server.session(ann) as session:
            async with asyncio.timeout(START_S):
                while True:
                    try:
                        if (await ask(session))[0] == 200 and await server.worker() != first:
                            break
                    except (aiohttp.ClientError, ValueError):  # in flight on the one that died
                        pass
                    await asyncio.sleep(0.1)
            await replicas(server, 2)
            before = {await server.worker() for _ in range(20)}
            server.told(signal.SIGHUP)
            async with asyncio.timeout(START_S):
                while before & {await server.worker() for _ in range(10)}:
                    assert (await ask(session))[0] == 200


def test_a_model_that_cannot_be_loaded_is_a_one_line_error(tmp_path: Any) -> None:
    done = run(tmp_path, "--kv-memory-mb", "1")
    lines = [line for line in done.stderr.splitlines() if "ERROR" in line]
    assert done.returncode == 1 and len(lines) == 1 and "kvMemoryMb is 1" in lines[0], done.stderr
