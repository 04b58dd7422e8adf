"""Sends a session's messages. A client that does not read costs bounded memory, and then loses its connection."""

from __future__ import annotations

import asyncio
import queue
import threading
from io import FileIO
from typing import Protocol

SLOW_BYTES = 256 * 1024
"""With this much unread, messages that a later one supersedes are dropped."""
STUCK_BYTES = 32 * 1024 * 1024
"""With this much unread, the client is considered gone and its connection is closed."""


class Outbox(Protocol):
    """Accepts whole message bodies, and frames them for its transport."""

    @property
    def unread(self) -> int:
        """Bytes written that the client has not read yet."""
        ...

    def write(self, body: bytes) -> None:
        """Send a body. Never blocks and never raises; after `close` it does nothing."""
        ...

    def close(self) -> None:
        """Close once everything has been sent."""
        ...

    def abort(self) -> None:
        """Close now, dropping everything unsent."""
        ...

    async def closed(self) -> None:
        """Wait until nothing more will be sent."""
        ...


def frame(body: bytes) -> bytes:
    """A body with its header, to be written as one: a separate header would cost the client a second read."""
    return b"Content-Length: %d\r\n\r\n%b" % (len(body), body)


class StreamOutbox:
    """Writes messages with `Content-Length` headers to an asyncio transport (pipe or socket).

    The transport's protocol calls `note_closed` when the connection is lost.
    """

    def __init__(self, transport: asyncio.WriteTransport) -> None:
        self._transport = transport
        self._closed = asyncio.Event()

    @property
    def unread(self) -> int:
        return self._transport.get_write_buffer_size()

    def write(self, body: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(frame(body))

    def close(self) -> None:
        self._transport.close()

    def abort(self) -> None:
        self._transport.abort()

    def note_closed(self) -> None:
        self._closed.set()

    async def closed(self) -> None:
        await self._closed.wait()


class ThreadOutbox:
    """Does the same for a file that an event loop cannot watch: a redirection, or any pipe on Windows."""

    def __init__(self, file: FileIO) -> None:
        self._file = file
        self._queue: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._loop = asyncio.get_running_loop()
        self._done = asyncio.Event()
        self._closing = False
        self._unread = 0
        threading.Thread(target=self._drain, name="stdout", daemon=True).start()

    @property
    def unread(self) -> int:
        return self._unread

    def write(self, body: bytes) -> None:
        if not self._closing:
            data = frame(body)
            self._unread += len(data)
            self._queue.put(data)

    def close(self) -> None:
        self._closing = True
        self._queue.put(None)

    def abort(self) -> None:
        self._closing = True
        self._done.set()

    async def closed(self) -> None:
        await self._done.wait()

    def _drain(self) -> None:
        try:
            while (data := self._queue.get()) is not None:
                view = memoryview(data)
                while view:
                    view = view[self._file.write(view) :]
                self._loop.call_soon_threadsafe(self._note_taken, len(data))
        except (OSError, RuntimeError):
            pass  # the client is gone (the end of standard input ends the session), or the loop has ended before us
        finally:
            self._report_end()

    def _note_taken(self, size: int) -> None:
        self._unread -= size

    def _report_end(self) -> None:
        try:
            self._loop.call_soon_threadsafe(self._done.set)
        except RuntimeError:
            pass  # the loop ended before we did
