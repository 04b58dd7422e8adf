"""A client's bytes as they arrive, cut into messages and passed to its session; from pipes and sockets."""

from __future__ import annotations

import logging

from aix_lsp.lsp.framing import BadFrame, FrameParser
from aix_lsp.lsp.messages import INVALID_REQUEST
from aix_lsp.lsp.protocol import Phase
from aix_lsp.lsp.session import Session

logger = logging.getLogger(__name__)

FIRST_MESSAGE_BYTES = 1 << 20
"""The longest `initialize`; with its options it has some kilobytes."""


class Inlet:
    """Bodies go to the session as they are complete, in order."""

    def __init__(self, session: Session, max_message_bytes: int) -> None:
        self._session = session
        self._max_message_bytes = max_message_bytes
        self._parser = FrameParser(self._limit())

    def feed(self, data: bytes) -> None:
        """Take bytes from the client."""
        for frame in self._parser.feed(data):
            self._feed(frame)
            self._parser.max_body = self._limit()

    def _feed(self, frame: bytes | BadFrame) -> None:
        if self._session.finished.done():
            return
        if isinstance(frame, bytes):
            self._session.protocol.receive(frame)
        else:
            self._refuse(frame)

    def _limit(self) -> int:
        """Little before the client has introduced itself: it may be anybody."""
        introduced = self._session.protocol.phase is not Phase.CONNECTED
        return self._max_message_bytes if introduced else min(self._max_message_bytes, FIRST_MESSAGE_BYTES)

    def end(self) -> None:
        """The client's side is closed."""
        self._session.disconnected()

    def _refuse(self, frame: BadFrame) -> None:
        logger.warning("bad message from the client: %s", frame.reason)
        self._session.protocol.refuse(None, INVALID_REQUEST, frame.reason)
        if frame.fatal:
            self._session.disconnected()
