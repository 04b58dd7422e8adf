"""The language server behind a WebSocket, for clients in a browser: one message per frame, without headers."""

from __future__ import annotations

import asyncio
import hmac
import logging
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from http import HTTPStatus
from typing import Any

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.protocol import State
from websockets.typing import Subprotocol

from aix_lsp.lsp.connections import ConnectionRegistry, first_limit
from aix_lsp.lsp.options import is_loopback
from aix_lsp.lsp.server import build
from aix_lsp.lsp.session import Dependencies, Session

logger = logging.getLogger(__name__)

SUBPROTOCOL = Subprotocol("aix-lsp")
TOKEN_PREFIX = "aix-lsp.token."
"""Browsers cannot set headers, so they send the token as a further subprotocol that is never chosen."""


@asynccontextmanager
async def listening(dependencies: Dependencies, registry: ConnectionRegistry) -> AsyncIterator[str]:
    """Accept clients inside this context; yields the URL. Raises OSError if the address cannot be used."""
    handler = _ConnectionHandler(dependencies, registry)
    options = dependencies.options
    async with serve(
        handler.serve,
        options.host,
        options.port,
        process_request=handler.check,
        select_subprotocol=_select,
        max_size=first_limit(options.max_message_bytes, introduced=False),
        create_connection=partial(_Connection, registry),  # type: ignore[arg-type] # documented as a factory
        compression=None,  # a few bytes per keystroke do not justify a compressor's memory for each client
        server_header=None,
        close_timeout=2,
    ) as server:
        host, port = next(iter(server.sockets)).getsockname()[:2]
        yield f"ws://[{host}]:{port}" if ":" in host else f"ws://{host}:{port}"


class _ConnectionHandler:
    """Authenticates clients, and serves each in a session of its own."""

    def __init__(self, dependencies: Dependencies, registry: ConnectionRegistry) -> None:
        self._dependencies = dependencies
        self._registry = registry

    def check(self, connection: ServerConnection, request: Request) -> Response | None:
        """Refuse web pages that are not allowed (any page could reach our port), and wrong tokens.

        A page whose domain name was made to point here (DNS rebinding) has another name than ours in `Host`.
        """
        hosts = request.headers.get_all("Host")
        if is_loopback(self._dependencies.options.host) and not all(map(_is_ours, hosts)):
            logger.warning("a request to the host %s was refused", ", ".join(hosts))
            return connection.respond(HTTPStatus.FORBIDDEN, "This server is at a loopback address only.\n")
        origins = request.headers.get_all("Origin")
        if any(origin not in self._dependencies.options.origins for origin in origins):
            logger.warning("a web page from %s was refused; --origin allows it", ", ".join(origins))
            return connection.respond(HTTPStatus.FORBIDDEN, "This origin is not allowed; see --origin.\n")
        wanted = self._dependencies.options.token
        if wanted and not any(hmac.compare_digest(t.encode(), wanted.encode()) for t in _tokens(request)):
            return connection.respond(
                HTTPStatus.UNAUTHORIZED, f"Offer the subprotocols {SUBPROTOCOL} and {TOKEN_PREFIX}<token>.\n"
            )
        return None

    async def serve(self, connection: ServerConnection) -> None:
        """Serve one client until it disconnects."""
        outbox = WebSocketOutbox(connection)
        session = build(self._dependencies, outbox, on_socket=True)
        served = self._registry.add(session, outbox)
        assert isinstance(connection, _Connection)
        connection.session = session
        limit = self._dependencies.options.max_message_bytes
        listening = asyncio.ensure_future(_listen(connection, session, limit))
        listening.add_done_callback(lambda _: session.disconnected())
        await served
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)


class _Connection(ServerConnection):
    """A connection that the registry knows from its first byte on, before any handshake."""

    def __init__(self, registry: ConnectionRegistry, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._registry = registry
        self.session: Session | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._registry.accepted(self)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._registry.ended(self)

    @property
    def silent(self) -> bool:
        if self.session is not None:
            return self.session.silent
        return self.protocol.state in (State.CONNECTING, State.OPEN)

    def abort(self) -> None:
        self.transport.abort()


async def _listen(connection: ServerConnection, session: Session, max_message_bytes: int) -> None:
    try:
        while True:
            body = await connection.recv(decode=False)
            if not session.finished.done():
                session.protocol.receive(body)
            # The library reads a frame's header, which contains the length, when the frame arrives.
            connection.protocol.max_message_size = first_limit(max_message_bytes, not session.silent)
    except ConnectionClosed as closed:
        logger.info("a client has left: %s", closed)


def _is_ours(host: str) -> bool:
    """Whether a `Host` header names this machine: with or without a port."""
    name, _, port = host.rpartition(":")
    return is_loopback((name if port.isdecimal() else host).strip("[]").lower())


def _tokens(request: Request) -> list[str]:
    """The tokens that the client offers."""
    offered = [
        name.strip()
        for value in request.headers.get_all("Sec-WebSocket-Protocol")
        for name in value.split(",")
    ]
    tokens = [name.removeprefix(TOKEN_PREFIX) for name in offered if name.startswith(TOKEN_PREFIX)]
    for value in request.headers.get_all("Authorization"):
        scheme, _, token = value.partition(" ")
        if scheme.lower() == "bearer":
            tokens.append(token.strip())
    return tokens


def _select(connection: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    return SUBPROTOCOL if SUBPROTOCOL in offered else None


class WebSocketOutbox:
    """Sends messages in the order written; on a task, since sending to a WebSocket waits for its reader."""

    def __init__(self, connection: ServerConnection) -> None:
        self._connection = connection
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._more = asyncio.Event()
        self._closing = False
        self._task = asyncio.ensure_future(self._send())

    @property
    def unread(self) -> int:
        return self._waiting_bytes + self._connection.transport.get_write_buffer_size()

    def write(self, body: bytes) -> None:
        if not self._closing:
            self._waiting.append(body)
            self._waiting_bytes += len(body)
            self._more.set()

    def close(self) -> None:
        self._closing = True
        self._more.set()

    def abort(self) -> None:
        self._closing = True
        self._connection.transport.abort()

    async def closed(self) -> None:
        await asyncio.wait([self._task])

    async def _send(self) -> None:
        try:
            while self._waiting or not self._closing:
                if not self._waiting:
                    self._more.clear()
                    await self._more.wait()
                    continue
                body = self._waiting.popleft()
                await self._connection.send(body.decode("ascii"))  # text frames, which browsers parse as JSON
                self._waiting_bytes -= len(body)
            await self._connection.close()
        except ConnectionClosed:
            self._closing = True
