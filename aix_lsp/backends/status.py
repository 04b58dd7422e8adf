"""A backend's status: notifies listeners of changes, and waits until it is ready."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

from aix_lsp.backends.base import Backend, BackendError, BackendStatus, BackendUnavailable, ModelInfo

log = logging.getLogger(__name__)

Listener = Callable[[BackendStatus], None]


class StatusBoard:
    """Holds the current status. Callbacks run on the event loop, in the order in which they subscribed."""

    def __init__(self, status: BackendStatus) -> None:
        self.status = status
        self._listeners: list[Listener] = []

    def set(self, status: BackendStatus) -> None:
        """Change the status; listeners are called only if it differs from the previous one."""
        if status == self.status:
            return
        self.status = status
        for listener in tuple(self._listeners):
            try:
                listener(status)
            except Exception:
                log.exception("a listener failed on %s", status)

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` on each change from now on; the returned function unsubscribes it."""
        self._listeners.append(listener)

        def unsubscribe() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)

        return unsubscribe


class WatchedBackend(Backend, Protocol):
    """A backend that reports changes of its status: the base of all that aix_lsp.backends.launch makes."""

    _board: StatusBoard

    @property
    def status(self) -> BackendStatus:
        return self._board.status

    def on_status(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` on each change of status, on the event loop; the returned function unsubscribes it."""
        return self._board.subscribe(listener)

    async def restart(self) -> None:
        """Start the engine again, or discover the servers again."""
        ...


async def wait_until_ready(
    backend: WatchedBackend,
    timeout_s: float,
    tell: Callable[[BackendStatus], None] = lambda status: None,
) -> ModelInfo:
    """Wait until the backend is ready, and return its model. `tell` is called with each status until then.

    Raises BackendError for a problem that waiting does not solve, and BackendUnavailable after `timeout_s`.
    """
    changed = asyncio.Event()
    unsubscribe = backend.on_status(lambda _: changed.set())
    try:
        async with asyncio.timeout(timeout_s):
            while True:
                status = backend.status
                tell(status)
                if status.state in ("error", "refused", "failing"):
                    raise BackendError(status.message)
                if status.state == "ready" and status.model is not None:
                    return status.model
                await changed.wait()
                changed.clear()
    except TimeoutError:
        raise BackendUnavailable(f"Not ready within {timeout_s:g} s: {backend.status.message}") from None
    finally:
        unsubscribe()
