"""Speaks JSON-RPC with one client, as specified: every request gets exactly one answer.

Builds on pygls' protocol for dispatch and typed calls to the client, and replaces the parts that do not suffice:
parsing, answers to bad messages, order of receipt, late answers. Knows nothing of what methods do.
"""

from __future__ import annotations

import asyncio
import enum
import inspect
import json
import logging
from collections.abc import Callable
from concurrent.futures import Future
from functools import cache, partial
from typing import Any

from cattrs import Converter
from pygls.exceptions import JsonRpcException
from pygls.lsp.server import LanguageServer
from pygls.protocol import LanguageServerProtocol

from aix_lsp.lsp import jsonrpc, outbox
from aix_lsp.lsp.converter import reason
from aix_lsp.lsp.jsonrpc import Id, Invalid, Notification, OutgoingRequests, Request, Response

logger = logging.getLogger(__name__)

MAX_RUNNING = 1000
"""The most unanswered requests of one client; further ones are refused."""


class Phase(enum.Enum):
    """The phases of a connection's lifecycle, as specified."""

    CONNECTED = enum.auto()
    INITIALIZED = enum.auto()
    SHUT_DOWN = enum.auto()


class Protocol(LanguageServerProtocol):
    """One client's connection. Used only on the event loop's thread."""

    def __init__(self, server: LanguageServer, converter: Converter) -> None:
        super().__init__(server, converter)
        self.phase = Phase.CONNECTED
        self.outbox: outbox.Outbox | None = None
        self.requests: dict[str, Callable[[Any], Any]] = {}
        """The handlers of requests. Those of notifications are in pygls' `fm.features`."""
        self._types = converter
        self._running: dict[Id, asyncio.Task[Any]] = {}
        """Requests of the client that have not been answered yet."""
        self._outgoing = OutgoingRequests()

    def _register_builtin_features(self) -> None:
        """Register none of pygls' own: its document store splits lines where clients do not, so the two diverge."""

    def receive(self, body: bytes) -> None:
        """Handle a message body. Never raises: errors are answered or logged."""
        for message in jsonrpc.read(body):
            self._take(message)

    def _take(self, message: jsonrpc.Message) -> None:
        try:
            match message:
                case Invalid(code, why, id):
                    self.refuse(id, code, why)
                case Response(id, result, error):
                    self._outgoing.answer(id, result, error)
                case Notification(method, params):
                    self._take_notification(method, params)
                case Request(id, method, params):
                    self._take_request(id, method, params)
        except Exception:
            logger.exception("a message could not be handled")
            if isinstance(message, Request):
                self.refuse(message.id, jsonrpc.INTERNAL_ERROR, "the server failed; see its log")

    def _take_request(self, id: Id, method: str, params: Any) -> None:
        refusal = self._lifecycle_refusal(method)
        if refusal:
            self.refuse(id, *refusal)
        elif id in self._running:
            self.refuse(id, jsonrpc.INVALID_REQUEST, f"id {id!r} is in use by an unanswered request")
        elif len(self._running) >= MAX_RUNNING:
            self.refuse(id, jsonrpc.REQUEST_FAILED, f"more than {MAX_RUNNING} requests are unanswered")
        elif method not in self.requests:
            self.refuse(id, jsonrpc.METHOD_NOT_FOUND, f"method not found: {method}")
        else:
            try:
                structured = self._structure(self.requests[method], params)
            except Exception as error:
                self.refuse(id, jsonrpc.INVALID_PARAMS, f"invalid params: {reason(error)}")
            else:
                self._call(id, self.requests[method], structured)

    def _call(self, id: Id, handler: Callable[[Any], Any], params: Any) -> None:
        """Call the handler now, so that it sees the documents as they are; its result may be awaitable.

        pygls would start a coroutine on a later turn of the loop, after later messages.
        """
        try:
            outcome = handler(params)
        except Exception as error:
            self._fail(id, error)
            return
        if inspect.isawaitable(outcome):
            task = self._running[id] = asyncio.ensure_future(outcome)
            task.add_done_callback(partial(self._finish, id))
        else:
            self._answer(id, outcome)

    def _take_notification(self, method: str, params: Any) -> None:
        if method == "exit":
            self._handle_notification(method, None)
        elif method == "$/cancelRequest":
            self._cancel(params)
        elif self.phase is not Phase.INITIALIZED:
            logger.debug("%s was dropped: the server is not running", method)
        elif method not in self.fm.features:
            logger.debug("%s is not a method of this server", method)
        else:
            try:
                structured = self._structure(self.fm.features[method], params)
            except Exception as error:
                logger.warning("%s was ignored: invalid params: %s", method, reason(error))
            else:
                self._handle_notification(method, structured)

    def _lifecycle_refusal(self, method: str) -> tuple[int, str] | None:
        if self.phase is Phase.SHUT_DOWN:
            return jsonrpc.INVALID_REQUEST, "the server has been shut down"
        if method == "initialize":
            again = self.phase is not Phase.CONNECTED
            return (jsonrpc.INVALID_REQUEST, "the server is initialized already") if again else None
        if self.phase is Phase.CONNECTED:
            return jsonrpc.SERVER_NOT_INITIALIZED, "the server is not initialized"
        return None

    def _structure(self, handler: Callable[..., Any], params: Any) -> Any:
        kind = _params_type(handler.func if isinstance(handler, partial) else handler)
        if kind is Any:
            return params
        return self._types.structure({} if params is None else params, kind)

    def _cancel(self, params: Any) -> None:
        id = params.get("id") if isinstance(params, dict) else None
        running = self._running.get(id) if isinstance(id, str | int) else None
        if running is not None and not running.cancelling():
            running.cancel()  # the answer (-32800) is sent when the handler has ended

    def _finish(self, id: Id, task: asyncio.Task[Any]) -> None:
        self._running.pop(id, None)
        if task.cancelled():
            self.refuse(id, jsonrpc.REQUEST_CANCELLED, "cancelled")
            return
        error = task.exception()
        if error is None:
            self._answer(id, task.result())
        else:
            self._fail(id, error)

    def _check_handler_result(self, future: Future[Any]) -> None:
        """Log the failure of a notification's handler; pygls would show it to the user, and recurse if that failed."""
        if not future.cancelled() and (error := future.exception()) is not None:
            logger.error("a notification's handler failed", exc_info=error)

    def _fail(self, id: Id, error: BaseException) -> None:
        if isinstance(error, JsonRpcException):
            self.refuse(id, error.code, error.message)
        else:
            logger.error("request %r failed", id, exc_info=error)
            self.refuse(id, jsonrpc.INTERNAL_ERROR, f"{type(error).__name__}: {error}")

    def _answer(self, id: Id, result: Any) -> None:
        try:
            body = self._encode({"jsonrpc": "2.0", "id": id, "result": result})
        except Exception:
            logger.exception("the result of request %r cannot be serialised", id)
            self.refuse(id, jsonrpc.INTERNAL_ERROR, "the result cannot be serialised")
        else:
            self._write(body)

    def refuse(self, id: Id | None, code: int, why: str) -> None:
        """Answer with an error; `id` is None if the request's own is unknown."""
        logger.debug("refused %r: %d %s", id, code, why)
        self._write(self._encode({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": why}}))

    def notify(self, method: str, params: Any = None, *, droppable: bool = False) -> None:
        """Send a notification; a `droppable` one only while the client keeps up, which pygls does not check."""
        if droppable and self.outbox is not None and self.outbox.unread > outbox.SLOW_BYTES:
            return
        self._write(self._encode({"jsonrpc": "2.0", "method": method, "params": params}))

    def send_request(
        self,
        method: str,
        params: Any = None,
        callback: Callable[[Any], None] | None = None,
        msg_id: Id | None = None,
    ) -> Future[Any]:
        """Send a request to the client. The future returns the raw result, or raises JsonRpcException.

        pygls keeps both sides' requests in one table by id, and raises on a late answer to an abandoned one.
        """
        id, future = self._outgoing.open()
        if callback is not None:
            future.add_done_callback(lambda done: None if _failed(done) else callback(done.result()))
        self._write(self._encode({"jsonrpc": "2.0", "id": id, "method": method, "params": params}))
        return future

    def _encode(self, message: dict[str, Any]) -> bytes:
        if message.get("params", self) is None:
            del message["params"]
        # ASCII output, so that every string can be encoded; NaN is not JSON.
        plain = self._types.unstructure(message)
        return json.dumps(plain, separators=(",", ":"), allow_nan=False).encode("ascii")

    def _write(self, body: bytes) -> None:
        if self.outbox is None:
            return
        self.outbox.write(body)
        if self.outbox.unread > outbox.STUCK_BYTES:
            logger.error("the client does not read its messages; closing the connection")
            self.outbox.abort()
            self.outbox = None

    async def cancel_all(self) -> None:
        """Cancel all running requests, abandon those to the client, and wait for the handlers to end."""
        self._outgoing.cancel_all()
        running = [task for task in self._running.values() if not task.done()]
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running, timeout=5)


@cache
def _params_type(handler: Callable[..., Any]) -> Any:
    """The type of a handler's params: its last parameter's annotation. `Any` means plain JSON."""
    *_, params = inspect.signature(handler, eval_str=True).parameters.values()
    return Any if params.annotation is inspect.Parameter.empty else params.annotation


def _failed(future: Future[Any]) -> bool:
    return future.cancelled() or future.exception() is not None
