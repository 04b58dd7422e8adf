"""Servers on sockets in this process, and clients that connect to them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from aix_lsp.lsp import tcp, websocket
from aix_lsp.lsp.connections import ConnectionRegistry
from aix_lsp.lsp.session import Dependencies
from tests.client.peer import Peer, StreamPeer
from tests.lsp.scripted import ScriptedBackend, dependencies, echo


class TcpServer:
    def __init__(self, dependencies: Dependencies, registry: ConnectionRegistry, url: str) -> None:
        self.dependencies = dependencies
        self.registry = registry
        self.address = urlsplit(url)

    async def join(self) -> StreamPeer:
        streams = await asyncio.open_connection(self.address.hostname, self.address.port)
        return StreamPeer(*streams)


@asynccontextmanager
async def serving_tcp(
    of: Dependencies, registry: ConnectionRegistry | None = None
) -> AsyncIterator[TcpServer]:
    registry = ConnectionRegistry() if registry is None else registry
    async with tcp.listening(of, registry) as url:
        yield TcpServer(of, registry, url)
        await registry.close()
    await of.pool.close()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.01)


class SocketPeer(Peer):
    """A client like a browser: text frames, one message each."""

    def __init__(self, socket: ClientConnection) -> None:
        super().__init__()
        self.socket = socket
        self._unsent: set[asyncio.Task[None]] = set()
        self._sending = asyncio.Lock()
        self.task = asyncio.create_task(self._read())

    def send_body(self, body: bytes) -> None:
        task = asyncio.create_task(self._send(body))
        self._unsent.add(task)
        task.add_done_callback(self._unsent.discard)

    async def _send(self, body: bytes) -> None:
        async with self._sending:
            await self.socket.send(body.decode())

    async def _read(self) -> None:
        try:
            async for frame in self.socket:
                assert isinstance(frame, str)
                self.take(frame.encode())
        except ConnectionClosed:
            pass
        finally:
            self.lose()


class WebSocketServer:
    def __init__(self, url: str, registry: ConnectionRegistry) -> None:
        self.url = url
        self.registry = registry

    @asynccontextmanager
    async def join(self, **how: Any) -> AsyncIterator[SocketPeer]:
        async with connect(self.url, compression=None, **how) as socket:
            peer = SocketPeer(socket)
            yield peer
            peer.task.cancel()


@asynccontextmanager
async def serving_websocket(**options: Any) -> AsyncIterator[WebSocketServer]:
    of, registry = dependencies(ScriptedBackend(echo), transport="ws", **options), ConnectionRegistry()
    async with websocket.listening(of, registry) as url:
        yield WebSocketServer(url, registry)
        await registry.close()
    await of.pool.close()
