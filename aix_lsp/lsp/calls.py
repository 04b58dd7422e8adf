"""Calls to the client that it has not answered. Knows no methods and sends nothing itself."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any

from pygls.exceptions import JsonRpcException

from aix_lsp.lsp.messages import INTERNAL_ERROR, Id

logger = logging.getLogger(__name__)


class Calls:
    """Futures by id. An answer to a call that was given up, or never made, is only logged."""

    def __init__(self) -> None:
        self._open: dict[Id, Future[Any]] = {}
        self._last = 0

    def open(self) -> tuple[Id, Future[Any]]:
        """A new id, and the future that its answer completes."""
        self._last += 1
        id, future = f"aix-{self._last}", Future[Any]()
        self._open[id] = future
        future.add_done_callback(lambda _: self._open.pop(id, None))
        return id, future

    def answer(self, id: Id | None, result: Any, error: Mapping[str, Any] | None) -> None:
        """Take the client's answer; an error raises JsonRpcException from the future."""
        future = None if id is None else self._open.get(id)
        if future is None or not future.set_running_or_notify_cancel():
            logger.debug("an answer to nothing: %r", id)
        elif error is None:
            future.set_result(result)
        else:
            code = error.get("code")
            message = str(error.get("message", "the client refused"))
            future.set_exception(JsonRpcException(message, code if isinstance(code, int) else INTERNAL_ERROR))

    def cancel_all(self) -> None:
        """Give up every open call."""
        for future in list(self._open.values()):
            future.cancel()
