"""ASGI responses: JSON, and server-sent events that notice when the client disconnects. Knows no models."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

from msgspec.json import encode
from starlette.types import Receive, Send

DONE = b"data: [DONE]\n\n"
BEAT = b": here\n\n"


def frame(value: object) -> bytes:
    """One server-sent event."""
    return b"data: " + encode(value) + b"\n\n"


async def send_json(send: Send, status: int, value: object, headers: dict[str, str] | None = None) -> None:
    """Answer with JSON."""
    body = encode(value)
    fields = {"content-type": "application/json", "content-length": str(len(body)), **(headers or {})}
    encoded = [(name.encode(), content.encode()) for name, content in fields.items()]
    await send({"type": "http.response.start", "status": status, "headers": encoded})
    await send({"type": "http.response.body", "body": body})


def error_json(message: str, kind: str, code: str) -> dict[str, Any]:
    """An error in OpenAI's format."""
    return {"error": {"message": message, "type": kind, "code": code}}


async def send_error(
    send: Send, status: int, message: str, code: str, headers: dict[str, str] | None = None
) -> None:
    """Answer with an error."""
    kind = "invalid_request_error" if status < 500 and status != 429 else "server_error"
    await send_json(send, status, error_json(message, kind, code), headers)


async def watch(receive: Receive, leave: Callable[[], None]) -> None:
    """Call `leave` when the client disconnects."""
    while (await receive())["type"] != "http.disconnect":
        pass
    leave()


async def send_events(
    frames: AsyncIterator[bytes], leave: Callable[[], None], receive: Receive, send: Send
) -> None:
    """Send a stream of events. `leave` is called at its end or when the client disconnects; `frames` should then end
    soon.
    """
    headers = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    watcher = asyncio.create_task(watch(receive, leave))
    try:
        async for data in frames:
            await send({"type": "http.response.body", "body": data, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
    except OSError:  # the client disconnected between two frames
        return
    finally:
        watcher.cancel()
        leave()
