"""A backend's status and who is told when it changes."""

from __future__ import annotations

import logging
from collections.abc import Callable

from aix_lsp.backends.base import BackendStatus

log = logging.getLogger(__name__)

Listener = Callable[[BackendStatus], None]


class StatusBoard:
    """Holds the current status. Callbacks run on the event loop, in the order in which they subscribed."""

    def __init__(self, status: BackendStatus) -> None:
        self.status = status
        self._listeners: list[Listener] = []

    def set(self, status: BackendStatus) -> None:
        """Change the status; listeners hear of it only where it differs from the one before."""
        if status == self.status:
            return
        self.status = status
        for listener in tuple(self._listeners):
            try:
                listener(status)
            except Exception:
                log.exception("a listener failed on %s", status)

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` at each change from now on; the returned function ends that."""
        self._listeners.append(listener)

        def unsubscribe() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)

        return unsubscribe
