"""A client that can send anything and keeps everything it receives; over streams, or directly to a session."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from aix_lsp.lsp.framing import FrameParser
from aix_lsp.lsp.server import build
from aix_lsp.lsp.session import Dependencies, Session
from tests.client.wire import framed

PATIENCE_S = 60.0


def _no_settings(params: Any) -> list[None]:
    return [None] * len(params["items"])


class Peer:
    """The client's side of JSON-RPC; checks nothing by itself."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        """All messages that the server has sent, in order."""
        self.calls: dict[str, Callable[[Any], Any]] = {"workspace/configuration": _no_settings}
        """The answers to the server's requests by method; others are answered with null."""
        self.silent = False
        """Whether to leave the server's requests unanswered."""
        self._ids = itertools.count(1_000_000_000)
        self._answers: dict[str, list[dict[str, Any]]] = {}
        self._news = asyncio.Event()
        self._closed = False

    def send_body(self, body: bytes) -> None:
        raise NotImplementedError

    def send(self, message: Any) -> None:
        self.send_body(json.dumps(message).encode())

    def notify(self, method: str, params: Any = None) -> None:
        self.send({"jsonrpc": "2.0", "method": method, "params": params})

    def request(self, method: str, params: Any = None, id: Any = None) -> Any:
        """Send a request; returns its id, for `answer`."""
        id = next(self._ids) if id is None else id
        self.send({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
        return id

    async def answer(self, id: Any) -> dict[str, Any]:
        """The whole response to a request."""
        answers: list[dict[str, Any]] = await self.wait(lambda: self.answers(id))
        return answers[0]

    def answers(self, id: Any) -> list[dict[str, Any]]:
        """All responses to an id so far; there should be one."""
        return self._answers.get(repr(id), [])

    async def ask(self, method: str, params: Any = None) -> Any:
        """The result of a request."""
        message = await self.answer(self.request(method, params))
        assert "error" not in message, message
        return message["result"]

    async def error(self, method: str, params: Any = None) -> int:
        """The error code of a request."""
        message = await self.answer(self.request(method, params))
        assert "error" in message, message
        return int(message["error"]["code"])

    def notifications(self, method: str) -> list[Any]:
        """The params of all notifications of a method so far."""
        return [m["params"] for m in self.messages if m.get("method") == method and "id" not in m]

    def progress(self, token: Any) -> list[Any]:
        return [p["value"] for p in self.notifications("$/progress") if p["token"] == token]

    async def wait(self, condition: Callable[[], Any]) -> Any:
        """Wait until `condition` returns something truthy, and return that."""
        async with asyncio.timeout(PATIENCE_S):
            while not (value := condition()):
                if self._closed:
                    raise EOFError("the server has closed the connection")
                self._news.clear()
                with suppress(TimeoutError):  # the condition may be about more than messages
                    await asyncio.wait_for(self._news.wait(), 0.02)
        return value

    async def initialize(self, capabilities: Any = None, **more: Any) -> dict[str, Any]:
        params = {"processId": None, "rootUri": None, "capabilities": capabilities or {}} | more
        result: dict[str, Any] = await self.ask("initialize", params)
        self.notify("initialized", {})
        return result

    def open(self, uri: str, text: str, language: str = "python", version: int = 1) -> None:
        item = {"uri": uri, "languageId": language, "version": version, "text": text}
        self.notify("textDocument/didOpen", {"textDocument": item})

    def change(self, uri: str, version: int, *changes: Mapping[str, Any]) -> None:
        document = {"uri": uri, "version": version}
        self.notify("textDocument/didChange", {"textDocument": document, "contentChanges": list(changes)})

    def take(self, body: bytes) -> None:
        """Receive a body from the server."""
        message = json.loads(body)
        self.messages.append(message)
        if "method" not in message:
            self._answers.setdefault(repr(message["id"]), []).append(message)
        self._news.set()
        if "method" in message and "id" in message and not self.silent:
            handler = self.calls.get(message["method"])
            result = handler(message.get("params")) if handler is not None else None
            self.send({"jsonrpc": "2.0", "id": message["id"], "result": result})

    def lose(self) -> None:
        """Note that the connection is lost."""
        self._closed = True
        self._news.set()


class DirectPeer(Peer):
    """Speaks to a session in this process, without a transport."""

    def __init__(self, dependencies: Dependencies) -> None:
        super().__init__()
        self.unread = 0
        """The number of unread bytes that the session is told of."""
        self.aborted = False
        self.session: Session = build(dependencies, self)

    def send_body(self, body: bytes) -> None:
        self.session.protocol.receive(body)

    def write(self, body: bytes) -> None:
        # The server must not receive the answer to a request while it is still sending that.
        asyncio.get_running_loop().call_soon(self.take, body)

    def close(self) -> None:
        self.lose()

    def abort(self) -> None:
        self.aborted = True
        self.lose()

    async def closed(self) -> None:
        return None


class StreamPeer(Peer):
    """Speaks over a pair of asyncio streams."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        super().__init__()
        self.reader = reader
        self.writer = writer
        self.task = asyncio.create_task(self._read())

    def send_body(self, body: bytes) -> None:
        self.send_bytes(framed(body))

    def send_bytes(self, data: bytes) -> None:
        self.writer.write(data)

    async def _read(self) -> None:
        parser = FrameParser(1 << 30)
        try:
            while data := await self.reader.read(1 << 16):
                for frame in parser.feed(data):
                    assert isinstance(frame, bytes), f"not LSP: {frame}"
                    self.take(frame)
        except ConnectionError:
            pass
        finally:
            self.lose()

    async def disconnect(self) -> None:
        self.writer.close()
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
