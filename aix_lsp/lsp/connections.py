"""Reads a client's bytes into its session, and keeps the registry of all sessions of a server."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import Protocol

from aix_lsp.lsp.framing import BadFrame, FrameParser
from aix_lsp.lsp.jsonrpc import INVALID_REQUEST
from aix_lsp.lsp.outbox import Outbox
from aix_lsp.lsp.session import Session

logger = logging.getLogger(__name__)

MAX_CLIENTS = 1000
INITIALIZE_WITHIN_S = 30.0
"""A client that has not sent `initialize` (with the token, if one is required) within this time is disconnected."""
MAX_SILENT = 200
"""The most connections whose client has not sent `initialize`. When one more arrives, the oldest is closed, so that
many silent connections lock nobody out."""
FLUSH_S = 2.0
_LEAVE_S = 10.0


class IncomingConnection(Protocol):
    """A connection, from its first byte on."""

    @property
    def silent(self) -> bool:
        """Whether its client has not sent `initialize` yet."""
        ...

    def abort(self) -> None:
        """Close the connection now."""
        ...


class ConnectionRegistry:
    """Keeps a task for each session, which cleans up after it."""

    def __init__(self, initialize_within_s: float = INITIALIZE_WITHIN_S) -> None:
        self._initialize_within_s = initialize_within_s
        self._closed = False
        self._tasks: dict[asyncio.Task[None], Session] = {}
        self._silent: dict[IncomingConnection, None] = {}
        """Connections that may still be silent, oldest first."""

    def __len__(self) -> int:
        return len(self._tasks)

    @property
    def sessions(self) -> list[Session]:
        return list(self._tasks.values())

    def accepted(self, connection: IncomingConnection) -> None:
        """Record an accepted connection; close the oldest silent one if there are too many."""
        if len(self._silent) >= MAX_SILENT:
            self._silent = {each: None for each in self._silent if each.silent}
        if len(self._silent) >= MAX_SILENT:
            logger.warning("more than %d silent connections; the oldest was closed", MAX_SILENT)
            oldest = next(iter(self._silent))
            self.ended(oldest)
            oldest.abort()
        self._silent[connection] = None

    def ended(self, connection: IncomingConnection) -> None:
        """Record that a connection has ended."""
        self._silent.pop(connection, None)

    def add(self, session: Session, outbox: Outbox) -> asyncio.Task[None]:
        """Add a session whose connection is open; the returned task ends when it has been cleaned up."""
        if len(self._tasks) >= MAX_CLIENTS:
            logger.error("more than %d clients; a connection was refused", MAX_CLIENTS)
            session.disconnected()
        elif self._closed:
            session.disconnected()
        task = asyncio.ensure_future(self._serve(session, outbox))
        self._tasks[task] = session
        task.add_done_callback(self._tasks.pop)
        return task

    async def _serve(self, session: Session, outbox: Outbox) -> None:
        timer = asyncio.get_running_loop().call_later(self._initialize_within_s, self._check, session)
        try:
            await session.finished
        finally:
            timer.cancel()
            await session.close()
            await flush(outbox)

    def _check(self, session: Session) -> None:
        if session.silent:
            logger.warning("a client that never sent `initialize` was disconnected")
            session.disconnected()

    async def close(self) -> None:
        """Disconnect all clients, for good, and wait until they are gone; the port may still be open."""
        self._closed = True
        for session in self.sessions:
            session.disconnected()
        with suppress(TimeoutError):
            async with asyncio.timeout(_LEAVE_S):
                while self._tasks:
                    await asyncio.wait(list(self._tasks))


async def flush(outbox: Outbox) -> None:
    """Close, giving the client a moment to read what has been sent."""
    outbox.close()
    try:
        async with asyncio.timeout(FLUSH_S):
            await outbox.closed()
    except TimeoutError:
        logger.warning("a client did not read all of its messages")
        outbox.abort()


FIRST_MESSAGE_BYTES = 1 << 20
"""The longest accepted `initialize`; with its options, it usually takes some kilobytes."""


def first_limit(max_message_bytes: int, introduced: bool) -> int:
    """The longest message accepted from a client; `introduced` says whether it has sent `initialize`."""
    return max_message_bytes if introduced else min(max_message_bytes, FIRST_MESSAGE_BYTES)


class MessageReader:
    """Passes message bodies to the session, in order, as soon as they are complete."""

    def __init__(self, session: Session, max_message_bytes: int) -> None:
        self._session = session
        self._max_message_bytes = max_message_bytes
        self._parser = FrameParser(max_message_bytes)
        self._adapt()

    def feed(self, data: bytes) -> None:
        """Receive bytes from the client."""
        for frame in self._parser.feed(data):
            if self._session.finished.done():
                continue
            if isinstance(frame, bytes):
                self._session.protocol.receive(frame)
            else:
                self._refuse(frame)
            self._adapt()

    def _adapt(self) -> None:
        """Before `initialize`, accept only short messages and, on a socket, nothing but LSP: it may be anyone."""
        introduced = not self._session.silent
        self._parser.max_body = first_limit(self._max_message_bytes, introduced)
        self._parser.strict = self._session.on_socket and not introduced

    def end(self) -> None:
        """Handle the end of the stream: the client has closed its side."""
        self._session.disconnected()

    def _refuse(self, frame: BadFrame) -> None:
        logger.warning("bad message from the client: %s", frame.reason)
        self._session.protocol.refuse(None, INVALID_REQUEST, frame.reason)
        if frame.fatal:
            self._session.disconnected()
