"""Reads request bodies within limits on size, total size and time. Knows HTTP, but no fields."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from starlette.types import Receive, Scope, Send

from aix_lsp.engine.http.sse import send_error

LARGEST_BODY = 2 << 20
"""Bytes. Parsing one holds Python's lock throughout, for up to 10 ms at this size; /health has to wait."""
_SMALL_BODY = 256 << 10
_SLOWEST_S = 20.0
"""Seconds that a body may take to arrive, whatever its size."""


class BadBody(Exception):
    """A body that is refused, with the status and code of the answer. The message is for the user."""

    def __init__(self, status: int, message: str, code: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code

    async def answer(self, send: Send) -> None:
        """Send the refusal to the client."""
        headers = {"retry-after": "1"} if self.status == 429 else None
        await send_error(send, self.status, str(self), self.code, headers)


class BodyBudget:
    """Limits the bytes of all bodies in use. Used on one event loop."""

    def __init__(self, most: int = 64 << 20) -> None:
        self.held = 0
        self._most = most

    @contextlib.asynccontextmanager
    async def reading(self, scope: Scope, receive: Receive) -> AsyncIterator[bytes]:
        """The complete body, counted while it is in use. Raises BadBody."""
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if declared.isdigit() and (len(declared) > 18 or int(declared) > LARGEST_BODY):
            raise _too_large()
        body = bytearray()
        try:
            await self._read(body, receive)
            yield bytes(body)
        finally:
            self.held -= len(body)

    async def _read(self, body: bytearray, receive: Receive) -> None:
        more = True
        try:
            async with asyncio.timeout(_SLOWEST_S):
                while more:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return
                    part = message.get("body", b"")
                    body += part
                    self.held += len(part)
                    self._check(len(body))
                    more = message.get("more_body", False)
        except TimeoutError:
            raise BadBody(408, f"the body took more than {_SLOWEST_S:.0f} s to arrive", "slow") from None

    def _check(self, size: int) -> None:
        if size > LARGEST_BODY:
            raise _too_large()
        # A quarter is kept for small bodies: large ones must not block completions.
        if self.held > (self._most if size <= _SMALL_BODY else self._most * 3 // 4):
            raise BadBody(429, "too much is being sent at once; try again in a moment", "busy")


def _too_large() -> BadBody:
    return BadBody(413, f"the body is over {LARGEST_BODY >> 20} MiB", "too_large")
