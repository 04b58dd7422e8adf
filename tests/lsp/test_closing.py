"""Closing a session, a server or a pool is for good: nothing begins afterwards, and nothing is left."""

from __future__ import annotations

import asyncio
import os
import threading
from functools import partial
from io import FileIO
from typing import Any

import pytest

from aix_lsp.lsp.outbox import ThreadOutbox
from aix_lsp.lsp.session import Session
from aix_lsp.settings import Settings
from tests.client.peer import DirectPeer
from tests.lsp.scripted import ScriptedBackend, dependencies, echo
from tests.lsp.sockets import serving_tcp, serving_websocket


async def test_work_that_starts_more_when_it_ends(peer: DirectPeer) -> None:
    ended: list[str] = []

    async def work(name: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(name)
            if name == "first":
                peer.session.run_soon(work("second"))
                await asyncio.sleep(0)

    peer.session.run_soon(work("first"))
    await asyncio.sleep(0)
    await peer.session.close()
    assert ended == ["first", "second"]


async def test_a_request_that_starts_work_while_the_work_before_ends(peer: DirectPeer) -> None:
    ending = asyncio.Event()

    async def lasting() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ending.set()
            for _ in range(10):
                await asyncio.sleep(0)

    # The protocol remembers the types of handlers, and so the handlers, for good.
    peer.session.protocol.requests["test/start"] = partial(_start_when, peer.session, ending)
    await peer.ask("initialize", {"processId": None, "capabilities": {}})
    peer.session.run_soon(lasting())
    peer.request("test/start")
    await asyncio.sleep(0)
    await peer.session.close()
    assert not peer.session._background and not list(peer.session.services)


async def _start_when(session: Session, due: asyncio.Event, params: Any) -> None:
    await due.wait()
    session.start()


async def test_messages_that_come_after_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving_websocket() as server, server.join() as peer:
        await peer.ask("initialize", {"processId": None, "capabilities": {}})
        [session] = server.registry.sessions
        close, may_close = session.close, asyncio.Event()

        async def close_later() -> None:
            await may_close.wait()
            await close()

        monkeypatch.setattr(session, "close", close_later)
        session.disconnected()
        await peer.socket.send('{"jsonrpc": "2.0", "method": "initialized", "params": {}}')
        await (await peer.socket.ping())
        for _ in range(10):
            await asyncio.sleep(0)
        assert not session._starting
        may_close.set()
        await peer.wait(lambda: peer._closed)


async def test_a_client_that_comes_while_the_server_ends() -> None:
    """Editors connect again at once when they are disconnected."""
    async with serving_tcp(dependencies(ScriptedBackend(echo))) as server:
        await server.registry.close()
        late = await server.join()
        await late.wait(lambda: late._closed or None)
        await late.disconnect()
        assert not len(server.registry)


async def test_a_session_that_outlasts_the_pool() -> None:
    pool = dependencies(ScriptedBackend(echo)).pool
    pool.lease(Settings())
    await pool.close()
    pool.release(Settings())
    assert not len(pool)


def test_a_client_that_reads_only_when_the_loop_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    failures: list[threading.ExceptHookArgs] = []
    monkeypatch.setattr(threading, "excepthook", failures.append)
    reading, writing = os.pipe()

    async def give_up(file: FileIO) -> threading.Thread:
        outbox = ThreadOutbox(file)
        outbox.write(b"x" * (1 << 20))
        outbox.abort()
        [thread] = [each for each in threading.enumerate() if each.name == "stdout"]
        return thread

    with FileIO(reading, "r") as unread, FileIO(writing, "w") as file:
        thread = asyncio.run(give_up(file))
        left = 1 << 20
        while left:
            left -= len(unread.read(left))
        thread.join(60)
    assert not thread.is_alive()
    assert not failures
