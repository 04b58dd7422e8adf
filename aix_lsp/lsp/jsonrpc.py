"""JSON-RPC 2.0 as LSP uses it: parses message bodies, and keeps the server's unanswered requests. Knows no methods."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, NoReturn

from pygls.exceptions import JsonRpcException

logger = logging.getLogger(__name__)

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
SERVER_NOT_INITIALIZED = -32002
REQUEST_FAILED = -32803
SERVER_CANCELLED = -32802
CONTENT_MODIFIED = -32801
REQUEST_CANCELLED = -32800

Id = str | int


@dataclass(frozen=True, slots=True)
class Request:
    id: Id
    method: str
    params: Any


@dataclass(frozen=True, slots=True)
class Notification:
    method: str
    params: Any


@dataclass(frozen=True, slots=True)
class Response:
    id: Id | None
    result: Any = None
    error: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Invalid:
    """An invalid message. It is answered with `code`, to `id` if one could be read."""

    code: int
    reason: str
    id: Id | None = None


Message = Request | Notification | Response | Invalid


def read(body: bytes) -> list[Message]:
    """Parse the message in a body.

    LSP has no batches: an array is refused with one answer for each request in it, so that none waits forever.
    """
    try:
        value = json.loads(body.decode("utf-8"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        return [Invalid(PARSE_ERROR, f"the body is not JSON: {error}")]
    if not isinstance(value, list):
        return [_classify(value)]
    refusal = "batches are not part of LSP; send one message at a time"
    requests = [item for item in map(_classify, value) if isinstance(item, Request)]
    return [Invalid(INVALID_REQUEST, refusal, item.id) for item in requests] or [
        Invalid(INVALID_REQUEST, refusal)
    ]


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _classify(value: Any) -> Message:
    if not isinstance(value, dict):
        return Invalid(INVALID_REQUEST, "a message must be an object")
    id = _id(value.get("id"))
    if value.get("jsonrpc") != "2.0":
        answerable = id if "method" in value else None
        return Invalid(INVALID_REQUEST, 'a message must have "jsonrpc": "2.0"', answerable)
    if "method" in value:
        return _call(value, id)
    if "result" not in value and "error" not in value:
        return Invalid(INVALID_REQUEST, "a message must have a method, a result or an error")
    error = value.get("error")
    return Response(id, value.get("result"), error if isinstance(error, dict) else None)


def _call(value: dict[str, Any], id: Id | None) -> Message:
    method, params = value["method"], value.get("params")
    if not isinstance(method, str):
        return Invalid(INVALID_REQUEST, "the method must be a string", id)
    if "id" in value and id is None:
        return Invalid(INVALID_REQUEST, "an id must be an integer or a string")
    if params is not None and not isinstance(params, dict | list):
        return Invalid(INVALID_REQUEST, "params must be an object or an array", id)
    return Notification(method, params) if id is None else Request(id, method, params)


def _id(value: Any) -> Id | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, float) and value.is_integer():
        return int(value)  # in some editors, all numbers are floating-point
    return value if isinstance(value, str | int) else None


class OutgoingRequests:
    """The server's unanswered requests, as futures by id. A response to any other request is only logged."""

    def __init__(self) -> None:
        self._open: dict[Id, Future[Any]] = {}
        self._last = 0

    def open(self) -> tuple[Id, Future[Any]]:
        """A new id, and the future that its response completes."""
        self._last += 1
        id, future = f"aix-{self._last}", Future[Any]()
        self._open[id] = future
        future.add_done_callback(lambda _: self._open.pop(id, None))
        return id, future

    def answer(self, id: Id | None, result: Any, error: Mapping[str, Any] | None) -> None:
        """Pass the client's response to the future; an error makes it raise JsonRpcException."""
        future = None if id is None else self._open.get(id)
        if future is None or not future.set_running_or_notify_cancel():
            logger.debug("a response without a request: %r", id)
        elif error is None:
            future.set_result(result)
        else:
            code = error.get("code")
            message = str(error.get("message", "the client refused"))
            future.set_exception(JsonRpcException(message, code if isinstance(code, int) else INTERNAL_ERROR))

    def cancel_all(self) -> None:
        """Abandon all open requests."""
        for future in list(self._open.values()):
            future.cancel()
