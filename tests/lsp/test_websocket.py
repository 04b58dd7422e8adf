"""The WebSocket transport: who may connect, and that its sessions are like any other."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, suppress
from typing import Any
from urllib.parse import urlsplit

import pytest
from websockets.exceptions import ConnectionClosed, InvalidMessage, InvalidStatus

from aix_lsp.lsp import jsonrpc
from tests.client.places import STREAM, at
from tests.lsp.sockets import serving_websocket, until


async def test_a_session() -> None:
    async with serving_websocket() as server:
        async with server.join(subprotocols=["aix-lsp"]) as peer:
            assert peer.socket.subprotocol == "aix-lsp"
            await peer.initialize()
            text, params = at("漢 = |", partialResultToken="t")
            peer.open(params["textDocument"]["uri"], text)
            answer = await peer.ask(STREAM, params)
            assert answer["items"][0]["insertText"] == "漢_done"
            assert peer.progress("t")[-1]["done"]
            await peer.ask("shutdown")
            peer.notify("exit")
            await peer.wait(lambda: peer._closed)
        await until(lambda: not len(server.registry))


async def test_two_clients_and_one_that_disconnects() -> None:
    async with serving_websocket() as server:
        async with server.join() as one, server.join() as two:
            for name, peer in (("one", one), ("two", two)):
                await peer.initialize()
                text, params = at(f"{name} = |")
                peer.open(params["textDocument"]["uri"], text)
            one.socket.transport.abort()
            answer = await two.ask(STREAM, at("two = |")[1])
            assert answer["items"][0]["insertText"] == "two_done"
        await until(lambda: not len(server.registry))


async def test_a_large_document_in_one_frame() -> None:
    async with serving_websocket() as server, server.join() as peer:
        await peer.initialize()
        text = "x = 1\n" * 1_000_000
        peer.open("file:///w/big.py", text)
        assert await peer.error("still/there") == jsonrpc.METHOD_NOT_FOUND
        [session] = server.registry.sessions
        document = session.documents.store.get("file:///w/big.py")
        assert document is not None and document.text.line_count == 1_000_001


async def test_a_frame_over_the_limit_ends_the_connection() -> None:
    async with serving_websocket(max_message_bytes=10_000) as server, server.join() as peer:
        await peer.initialize()
        peer.open("file:///w/big.py", "x" * 20_000)
        await peer.wait(lambda: peer._closed)
        assert peer.socket.close_code == 1009


async def test_frames_that_are_not_messages() -> None:
    async with serving_websocket() as server, server.join() as peer:
        await peer.initialize()
        for frame in ("", "{", "[]", "null", b"\xff\xfe", b"Content-Length: 2\r\n\r\n{}"):
            await peer.socket.send(frame)
        assert await peer.error("still/there") == jsonrpc.METHOD_NOT_FOUND
        assert len([m for m in peer.messages if m.get("id", 1) is None]) == 6


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        (None, True),
        ("https://ide.example", True),
        ("https://evil.example", False),
        ("http://ide.example", False),
        ("http://localhost:3000", False),
        ("null", False),
    ],
)
async def test_origins(origin: str | None, allowed: bool) -> None:
    async with serving_websocket(origins=("https://ide.example",)) as server:
        if allowed:
            async with server.join(origin=origin) as peer:
                await peer.initialize()
        else:
            with pytest.raises(InvalidStatus) as refused:
                async with server.join(origin=origin):
                    pass
            assert refused.value.response.status_code == 403


@pytest.mark.parametrize(
    ("how", "allowed"),
    [
        ({"subprotocols": ["aix-lsp", "aix-lsp.token.secret"]}, True),
        ({"additional_headers": {"Authorization": "Bearer secret"}}, True),
        ({"subprotocols": ["aix-lsp", "aix-lsp.token.wrong"]}, False),
        ({"subprotocols": ["aix-lsp"]}, False),
        ({"additional_headers": {"Authorization": "Basic secret"}}, False),
        ({}, False),
    ],
)
async def test_tokens(how: Any, allowed: bool) -> None:
    async with serving_websocket(token="secret") as server:
        if allowed:
            async with server.join(**how) as peer:
                assert peer.socket.subprotocol in (None, "aix-lsp")
                await peer.initialize()
        else:
            with pytest.raises(InvalidStatus) as refused:
                async with server.join(**how):
                    pass
            assert refused.value.response.status_code == 401


async def test_other_subprotocols_are_not_chosen() -> None:
    async with serving_websocket() as server, server.join(subprotocols=["other"]) as peer:
        assert peer.socket.subprotocol is None
        await peer.initialize()


async def test_a_client_that_never_reads_costs_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aix_lsp.lsp.outbox.STUCK_BYTES", 200_000)
    async with serving_websocket() as server, server.join() as peer:
        await peer.initialize()
        peer.socket.transport.pause_reading()
        with suppress(ConnectionClosed):
            while len(server.registry):
                await peer.socket.send('{"jsonrpc": "2.0", "id": 1, "method": "' + "x" * 5000 + '"}')
                await asyncio.sleep(0)
        await until(lambda: not len(server.registry))
        assert server.registry.sessions == []
        peer.socket.transport.abort()


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("127.0.0.1", True),
        ("127.0.0.1:8080", True),
        ("localhost:8080", True),
        ("LOCALHOST", True),
        ("[::1]:8080", True),
        ("evil.example", False),
        ("evil.example:8080", False),
        ("127.0.0.1.evil.example", False),
        ("localhost.evil.example:80", False),
        ("192.168.1.5", False),
        ("", False),
    ],
)
async def test_hosts(host: str, allowed: bool) -> None:
    """A page whose host name was made to resolve to this machine (DNS rebinding) sends that name."""
    async with serving_websocket() as server:
        address = urlsplit(server.url)
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        writer.write(
            f"GET / HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        status = (await reader.readline()).split()[1]
        assert status == (b"101" if allowed else b"403")
        writer.transport.abort()


async def test_the_first_message_must_be_small() -> None:
    async with serving_websocket() as server, server.join() as peer:
        peer.send_body(b'{"x": "' + b"x" * (2 << 20) + b'"}')
        await peer.wait(lambda: peer._closed)
        assert peer.socket.close_code == 1009


async def test_silent_connections_lock_nobody_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither those that never request a WebSocket, nor those that have one and send nothing."""
    monkeypatch.setattr("aix_lsp.lsp.connections.MAX_SILENT", 5)
    async with serving_websocket() as server:
        address = urlsplit(server.url)
        streams = [await asyncio.open_connection(address.hostname, address.port) for _ in range(30)]
        async with AsyncExitStack() as stack:
            for _ in range(10):
                with suppress(OSError, InvalidMessage):
                    await stack.enter_async_context(server.join())
            peer = await stack.enter_async_context(server.join())
            await peer.initialize()
            assert await peer.error("still/there") == jsonrpc.METHOD_NOT_FOUND
        for _, writer in streams:
            writer.transport.abort()
