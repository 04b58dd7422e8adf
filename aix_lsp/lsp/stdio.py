"""The language server on standard input and output, for the one editor that started it."""

from __future__ import annotations

import asyncio
import logging
import os
import stat
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from io import FileIO

from lsprotocol import types

from aix_lsp.lsp.connections import MessageReader, flush
from aix_lsp.lsp.outbox import Outbox, StreamOutbox, ThreadOutbox
from aix_lsp.lsp.protocol import Phase, Protocol
from aix_lsp.lsp.server import build
from aix_lsp.lsp.session import Dependencies

logger = logging.getLogger(__name__)

_CHUNK = 1 << 16


def claim_stdout() -> int:
    """Reserve standard output for the protocol; anything else written there goes to standard error.

    Returns the file descriptor that leads to the client.
    """
    sys.stdout.flush()
    channel = os.dup(1)
    try:
        os.dup2(2, 1)  # also redirects the output of C code and child processes
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # started without a standard error
    sys.stdout = sys.stderr
    return channel


async def serve(
    dependencies: Dependencies, channel: int, on_start: Callable[[Callable[[], None]], None]
) -> int:
    """Serve the client on standard input and `channel` until it disconnects; returns the exit status.

    `on_start` receives a function that ends the session from outside.
    """
    writing = _Writing()
    outbox = await _open_outbox(channel, writing)
    session = build(dependencies, outbox)
    writing.lost.add_done_callback(lambda _: session.disconnected())
    ours, log = logging.getLogger("aix_lsp"), ClientLog(session.protocol)
    ours.addHandler(log)
    try:
        on_start(session.disconnected)
        await _open_reader(MessageReader(session, dependencies.options.max_message_bytes))
        return await session.finished
    finally:
        ours.removeHandler(log)
        await session.close()
        await flush(outbox)


class _Writing(asyncio.BaseProtocol):
    def __init__(self) -> None:
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.lost.done():
            self.lost.set_result(None)


class _Reading(asyncio.Protocol):
    def __init__(self, reader: MessageReader) -> None:
        self._reader = reader

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._reader.end()


async def _open_outbox(channel: int, writing: _Writing) -> Outbox:
    file = FileIO(channel, "w")
    if not _can_be_watched(channel):
        return ThreadOutbox(file)
    transport, _ = await asyncio.get_running_loop().connect_write_pipe(lambda: writing, file)
    outbox = StreamOutbox(transport)
    writing.lost.add_done_callback(lambda _: outbox.note_closed())
    return outbox


async def _open_reader(reader: MessageReader) -> None:
    loop = asyncio.get_running_loop()
    file = FileIO(os.dup(0), "r")
    if _can_be_watched(0):
        await loop.connect_read_pipe(lambda: _Reading(reader), file)
    else:
        threading.Thread(target=_read, args=(file, reader, loop), name="stdin", daemon=True).start()


def _can_be_watched(descriptor: int) -> bool:
    """Whether an event loop can wait for this descriptor: not files, terminals, /dev/null, nor anything on Windows."""
    mode = os.fstat(descriptor).st_mode
    return sys.platform != "win32" and (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode))


def _read(file: FileIO, reader: MessageReader, loop: asyncio.AbstractEventLoop) -> None:
    """Read on a thread, if the event loop cannot watch the file."""
    try:
        while data := file.read(_CHUNK):
            loop.call_soon_threadsafe(reader.feed, data)
        loop.call_soon_threadsafe(reader.end)
    except (OSError, RuntimeError) as error:
        logger.info("standard input ended: %s", error)


MOST_A_MINUTE = 30
_TYPES = {logging.ERROR: types.MessageType.Error, logging.WARNING: types.MessageType.Warning}


class ClientLog(logging.Handler):
    """Sends our warnings and errors to the client as `window/logMessage`, at a limited rate.

    Only for a process with one client; with several, the log belongs to none of them.
    """

    def __init__(self, protocol: Protocol) -> None:
        super().__init__(logging.WARNING)
        self._protocol = protocol
        self._loop = asyncio.get_running_loop()
        self._sent: deque[float] = deque(maxlen=MOST_A_MINUTE)

    def emit(self, record: logging.LogRecord) -> None:
        """Send a record, from any thread; deferred, so that logging while sending is safe."""
        now = time.monotonic()
        if len(self._sent) == MOST_A_MINUTE and now - self._sent[0] < 60:
            return
        self._sent.append(now)
        try:
            self._loop.call_soon_threadsafe(self._send, record.levelno, record.getMessage())
        except Exception:
            self.handleError(record)

    def _send(self, level: int, message: str) -> None:
        if self._protocol.phase is Phase.INITIALIZED:
            params = types.LogMessageParams(_TYPES.get(level, types.MessageType.Error), message)
            self._protocol.notify("window/logMessage", params, droppable=True)
