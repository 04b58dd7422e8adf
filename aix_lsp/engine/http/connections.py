"""Closes stalled connections. Knows sockets and uvicorn, but nothing of the content of requests."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from uvicorn.protocols.http.auto import AutoHTTPProtocol

_HEAD_S = 10.0
"""Seconds that a request line with its headers may take to arrive, on a new connection counted from its start."""
_UNREAD_S = 60.0
"""Seconds that a client may leave data unread."""
_LARGEST_HEAD = 64 << 10
_MOST = 512
"""Simultaneous connections; above this, the one idle for longest is closed."""
_CHECK_EVERY_S = 1.0


class Connections:
    """A server's connections: which are idle, which are slow. Times are in seconds, of `time.monotonic`."""

    def __init__(self, most: int = _MOST, head_s: float = _HEAD_S, unread_s: float = _UNREAD_S) -> None:
        self.open: set[Any] = set()
        self.silent: dict[Any, float] = {}
        """Connections without a request in progress, and since when; the longest idle first."""
        self.heads: dict[Any, float] = {}
        """Connections that owe a request head, and since when: new ones, and those that have sent part of one."""
        self.unread: dict[Any, float] = {}
        """Connections whose client does not read the data sent, and since when."""
        self._most = most
        self._head_s = head_s
        self._unread_s = unread_s

    def opened(self, connection: Any) -> None:
        """Register a new connection. If there are too many, the longest idle one is closed."""
        self.open.add(connection)
        self.silent[connection] = self.heads[connection] = time.monotonic()
        while len(self.open) > self._most and self.silent:
            self._abort(next(iter(self.silent)))

    def closed(self, connection: Any) -> None:
        """Unregister a connection."""
        self.open.discard(connection)
        for times in (self.silent, self.heads, self.unread):
            times.pop(connection, None)

    async def watch(self) -> None:
        """Close stalled connections; runs forever."""
        while True:
            await asyncio.sleep(min(_CHECK_EVERY_S, self._head_s, self._unread_s))
            now = time.monotonic()
            late = [one for one, began in self.heads.items() if now - began > self._head_s]
            late += [one for one, began in self.unread.items() if now - began > self._unread_s]
            for connection in late:
                self._abort(connection)

    def _abort(self, connection: Any) -> None:
        self.closed(connection)
        # Not close(), which waits until the client has read everything.
        connection.transport.abort()


class GuardedProtocol(AutoHTTPProtocol):  # type: ignore[misc, valid-type]
    """uvicorn's HTTP protocol, which reports its connections to the server's `watched`."""

    watched: Connections
    _head_size: int | None = None
    """Bytes of the head being received; None outside of one, and with h11, which has its own limits."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.watched.opened(self)

    def connection_lost(self, error: Exception | None) -> None:
        self.watched.closed(self)
        super().connection_lost(error)

    def data_received(self, data: bytes) -> None:
        if self._resting:
            self.watched.heads.setdefault(self, time.monotonic())
        super().data_received(data)
        if not self._resting:
            self.watched.silent.pop(self, None)
            self.watched.heads.pop(self, None)
        if self._head_size is not None:
            self._head_size += len(data)
            if self._head_size > _LARGEST_HEAD:
                self.transport.abort()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_size = 0

    def on_headers_complete(self) -> None:
        self._head_size = None
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._resting and self in self.watched.open:
            self.watched.silent[self] = time.monotonic()

    def pause_writing(self) -> None:
        super().pause_writing()
        self.watched.unread[self] = time.monotonic()

    def resume_writing(self) -> None:
        self.watched.unread.pop(self, None)
        super().resume_writing()

    @property
    def _resting(self) -> bool:
        return self.cycle is None or self.cycle.response_complete


def guarded(connections: Connections) -> type[asyncio.Protocol]:
    """The protocol class for one server."""
    return type("Guarded", (GuardedProtocol,), {"watched": connections})
