"""Warnings and errors of ours in the client's own log (`window/logMessage`), at a rate that nobody minds."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque

from aix_lsp.lsp.protocol import Phase, Protocol

MOST_A_MINUTE = 30
_TYPES = {logging.ERROR: 1, logging.WARNING: 2}


class ClientLog(logging.Handler):
    """For a process with one client; the log of one with several is nobody's in particular."""

    def __init__(self, protocol: Protocol) -> None:
        super().__init__(logging.WARNING)
        self._protocol = protocol
        self._loop = asyncio.get_running_loop()
        self._sent: deque[float] = deque(maxlen=MOST_A_MINUTE)

    def attach(self) -> None:
        """Begin to pass on what our own modules log."""
        logging.getLogger("aix_lsp").addHandler(self)

    def detach(self) -> None:
        """Stop that."""
        logging.getLogger("aix_lsp").removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Pass a record on, from whatever thread; later, so that logging while sending does no harm."""
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
            params = {"type": _TYPES.get(level, 1), "message": message}
            self._protocol.notify("window/logMessage", params, droppable=True)
