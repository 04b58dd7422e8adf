"""Closes connections that are stalled. Knows sockets and uvicorn; not the content of requests."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from uvicorn.protocols.http.auto import AutoHTTPProtocol

_HEAD_S = 10.0
"""How long a request's line and headers may take to arrive, and a new connection to send its first."""
_UNREAD_S = 60.0
"""How long a client may leave what it is sent unread."""
_LARGEST_HEAD = 64 << 10
_MOST = 512
"""Connections at once; beyond, the one that has been silent longest goes."""
_LOOK_EVERY_S = 1.0


class Connections:
    """The connections of one server: who is silent, who is slow. Times are of `time.monotonic`, in seconds."""

    def __init__(self, most: int = _MOST, head_s: float = _HEAD_S, unread_s: float = _UNREAD_S) -> None:
        self.open: set[Any] = set()
        self.silent: dict[Any, float] = {}
        """Connections without a request in progress, and since when; the longest silent first."""
        self.heads: dict[Any, float] = {}
        """Those of which a head is due, and since when: new ones, and ones that have sent a part of it."""
        self.unread: dict[Any, float] = {}
        """Those whose client does not read what it is sent, and since when."""
        self._most = most
        self._head_s = head_s
        self._unread_s = unread_s

    def opened(self, connection: Any) -> None:
        """Note a new connection. Where there are too many, the longest silent one is closed."""
        self.open.add(connection)
        self.silent[connection] = self.heads[connection] = time.monotonic()
        while len(self.open) > self._most and self.silent:
            self._abort(next(iter(self.silent)))

    def closed(self, connection: Any) -> None:
        """Forget a connection."""
        self.open.discard(connection)
        for times in (self.silent, self.heads, self.unread):
            times.pop(connection, None)

    async def watch(self) -> None:
        """Close what does not go on, for ever."""
        while True:
            await asyncio.sleep(min(_LOOK_EVERY_S, self._head_s, self._unread_s))
            now = time.monotonic()
            late = [one for one, began in self.heads.items() if now - began > self._head_s]
            late += [one for one, began in self.unread.items() if now - began > self._unread_s]
            for connection in late:
                self._abort(connection)

    def _abort(self, connection: Any) -> None:
        self.closed(connection)
        # Not close(): that would wait until all that was written is read.
        connection.transport.abort()


class GuardedProtocol(AutoHTTPProtocol):  # type: ignore[misc, valid-type]
    """uvicorn's HTTP protocol, whose connections a server's `watched` knows of."""

    watched: Connections
    _head_size: int | None = None
    """Bytes of the head that is being read; None where none is, and with h11, which has bounds of its own."""

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
    """The protocol for one server."""
    return type("Guarded", (GuardedProtocol,), {"watched": connections})
