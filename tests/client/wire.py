"""JSON-RPC 2.0 in LSP's framing, from the editor's side. Knows nothing of documents or methods."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

Message = dict[str, Any]
RequestHandler = Callable[[str, Any], Any]
"""Answers a request of the server: (method, params) -> result. A LookupError becomes -32601."""


class ConnectionLost(Exception):
    """The server closed the stream before it had answered."""


class ResponseError(Exception):
    """The server answered a request with an error object."""

    def __init__(self, error: Message) -> None:
        super().__init__(f"{error.get('code')}: {error.get('message')}")
        self.code: int = error.get("code", 0)
        self.data = error.get("data")


@dataclass(eq=False)
class Call:
    """A request that was sent. Times are `time.perf_counter()` seconds."""

    id: int | str
    method: str
    sent_at: float
    token: str | int | None = None
    progress: list[tuple[float, Any]] = field(default_factory=list)
    """The progress values received for `token`, each with its time of arrival."""
    answered_at: float | None = None
    answers: int = 0
    """How many responses had this id; anything but one is a bug of the server."""
    future: asyncio.Future[Any] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    async def result(self, within: float = 60) -> Any:
        """The result; raises ResponseError, ConnectionLost or TimeoutError."""
        return await asyncio.wait_for(asyncio.shield(self.future), within)

    @property
    def elapsed_ms(self) -> float:
        """Milliseconds from sending to the answer."""
        assert self.answered_at is not None, "not answered yet"
        return (self.answered_at - self.sent_at) * 1000


@dataclass(frozen=True)
class Notification:
    """A notification of the server, with its time of arrival."""

    at: float
    method: str
    params: Any


class Wire:
    """One connection to a language server."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answer: RequestHandler
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._answer = answer
        self._ids = itertools.count(1)
        self.calls: dict[int | str, Call] = {}
        self._tokens: dict[str | int, Call] = {}
        self.notifications: list[Notification] = []
        self.requests: list[Notification] = []
        """The server's requests to the editor."""
        self.stray: list[Message] = []
        """Messages that belong to no request and have no method."""
        self._news = asyncio.Condition()
        self.closed = False
        self._pump = asyncio.create_task(self._read_all())

    def request(
        self, method: str, params: Any = None, *, id: int | str | None = None, token: str | int | None = None
    ) -> Call:
        """Send a request; `token` identifies the progress that belongs to it."""
        call = Call(next(self._ids) if id is None else id, method, time.perf_counter(), token)
        self.calls[call.id] = call
        if token is not None:
            self._tokens[token] = call
        self._send({"jsonrpc": "2.0", "id": call.id, "method": method, "params": params})
        return call

    def notify(self, method: str, params: Any = None) -> None:
        self._send({"jsonrpc": "2.0", "method": method, "params": params})

    def cancel(self, call: Call) -> None:
        self.notify("$/cancelRequest", {"id": call.id})

    def send_bytes(self, data: bytes) -> None:
        """Send anything at all, malformed or not."""
        self._writer.write(data)

    def _send(self, message: Message) -> None:
        self._writer.write(frame(message))

    async def drain(self) -> None:
        await self._writer.drain()

    async def wait_for(self, condition: Callable[[], Any], within: float = 60) -> Any:
        """Wait until `condition()` is true, checked after each message; returns its value."""
        async with asyncio.timeout(within), self._news:
            while not (value := condition()):
                if self.closed:
                    raise ConnectionLost("the server closed the connection")
                await self._news.wait()
            return value

    async def close(self) -> None:
        self._writer.close()
        self._pump.cancel()
        await asyncio.gather(self._pump, return_exceptions=True)

    async def _read_all(self) -> None:
        try:
            while (message := await read_message(self._reader)) is not None:
                self._take(message, time.perf_counter())
                async with self._news:
                    self._news.notify_all()
        finally:
            self.closed = True
            for call in self.calls.values():
                if not call.future.done():
                    call.future.set_exception(ConnectionLost(f"no answer to {call.method}"))
                    call.future.exception()  # retrieved here, so that a call that nobody awaits causes no warning
            async with self._news:
                self._news.notify_all()

    def _take(self, message: Message, now: float) -> None:
        if "method" not in message:
            self._take_response(message, now)
        elif "id" in message:
            self.requests.append(Notification(now, message["method"], message.get("params")))
            self._answer_server(message)
        else:
            self._take_notification(Notification(now, message["method"], message.get("params")))

    def _take_notification(self, note: Notification) -> None:
        self.notifications.append(note)
        if note.method == "$/progress" and (call := self._tokens.get(note.params["token"])):
            call.progress.append((note.at, note.params["value"]))

    def _take_response(self, message: Message, now: float) -> None:
        key = message.get("id")
        call = self.calls.get(key) if isinstance(key, int | str) else None
        if call is None:
            self.stray.append(message)
            return
        call.answers += 1
        if call.future.done():
            self.stray.append(message)
            return
        call.answered_at = now
        if "error" in message:
            call.future.set_exception(ResponseError(message["error"]))
            call.future.exception()
        else:
            call.future.set_result(message.get("result"))

    def _answer_server(self, message: Message) -> None:
        reply: Message = {"jsonrpc": "2.0", "id": message["id"]}
        try:
            reply["result"] = self._answer(message["method"], message.get("params"))
        except LookupError:
            reply["error"] = {"code": -32601, "message": f"unknown method {message['method']}"}
        self._send(reply)


def frame(message: Message) -> bytes:
    body = json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
    return framed(body)


def framed(body: bytes) -> bytes:
    """A message's body, JSON or not, with its header."""
    return b"Content-Length: %d\r\n\r\n%b" % (len(body), body)


async def read_message(reader: asyncio.StreamReader) -> Message | None:
    """The next message, or None at the end of the stream."""
    length = 0
    try:
        while (line := await reader.readuntil(b"\r\n")) != b"\r\n":
            name, _, value = line.partition(b":")
            if name.strip().lower() == b"content-length":
                length = int(value)
        message: Message = json.loads(await reader.readexactly(length))
        return message
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
