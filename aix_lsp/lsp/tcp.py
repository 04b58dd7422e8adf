"""The language server on a TCP port, for many clients at once: each connection has a session of its own."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aix_lsp.lsp.inlet import Inlet
from aix_lsp.lsp.lobby import Lobby
from aix_lsp.lsp.outbox import StreamOutbox
from aix_lsp.lsp.server import build
from aix_lsp.lsp.session import Parts, Session

logger = logging.getLogger(__name__)


@asynccontextmanager
async def listening(parts: Parts, lobby: Lobby) -> AsyncIterator[str]:
    """Accept clients while inside; gives the URL. Raises OSError where the address cannot be had."""
    options = parts.options
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(parts, lobby), options.host, options.port)
    try:
        host, port = server.sockets[0].getsockname()[:2]
        yield f"tcp://[{host}]:{port}" if ":" in host else f"tcp://{host}:{port}"
    finally:
        server.close()


class _Connection(asyncio.Protocol):
    """Callbacks of one client's socket."""

    def __init__(self, parts: Parts, lobby: Lobby) -> None:
        self._parts = parts
        self._lobby = lobby
        self._outbox: StreamOutbox
        self._session: Session
        self._inlet: Inlet

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._outbox = StreamOutbox(transport)
        self._session = build(self._parts, self._outbox)
        self._session.required_token = self._parts.options.token
        self._inlet = Inlet(self._session, self._parts.options.max_message_bytes)
        self._lobby.receive(self._session, self._outbox)

    def data_received(self, data: bytes) -> None:
        self._inlet.feed(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._outbox.note_closed()
        self._inlet.end()
