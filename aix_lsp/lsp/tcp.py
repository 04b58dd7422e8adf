"""The language server on a TCP port, for many clients at once: each connection has its own session."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aix_lsp.lsp.connections import ConnectionRegistry, MessageReader
from aix_lsp.lsp.outbox import StreamOutbox
from aix_lsp.lsp.server import build
from aix_lsp.lsp.session import Dependencies, Session


@asynccontextmanager
async def listening(dependencies: Dependencies, registry: ConnectionRegistry) -> AsyncIterator[str]:
    """Accept clients inside this context; yields the URL. Raises OSError if the address cannot be used."""
    options = dependencies.options
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(dependencies, registry), options.host, options.port)
    try:
        host, port = server.sockets[0].getsockname()[:2]
        yield f"tcp://[{host}]:{port}" if ":" in host else f"tcp://{host}:{port}"
    finally:
        server.close()


class _Connection(asyncio.Protocol):
    """Callbacks of one client's socket."""

    def __init__(self, dependencies: Dependencies, registry: ConnectionRegistry) -> None:
        self._dependencies = dependencies
        self._registry = registry
        self._outbox: StreamOutbox
        self._session: Session
        self._reader: MessageReader
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._outbox = StreamOutbox(transport)
        self._session = build(self._dependencies, self._outbox, on_socket=True)
        self._session.required_token = self._dependencies.options.token
        self._reader = MessageReader(self._session, self._dependencies.options.max_message_bytes)
        self._registry.accepted(self)
        self._registry.add(self._session, self._outbox)

    @property
    def silent(self) -> bool:
        return self._session.silent

    def abort(self) -> None:
        self._session.disconnected()
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._registry.ended(self)
        self._outbox.note_closed()
        self._reader.end()
