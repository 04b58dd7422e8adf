"""Waiting until a backend can generate, for programs that have nothing else to do meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from aix_lsp.backends.base import Backend, BackendError, BackendStatus, BackendUnavailable, ModelInfo


class WatchedBackend(Backend, Protocol):
    """A backend that tells of its changes, as all of aix_lsp.backends.launch do."""

    def on_status(self, listener: Callable[[BackendStatus], None], /) -> Callable[[], None]: ...


async def ready(
    backend: WatchedBackend,
    timeout_s: float,
    tell: Callable[[BackendStatus], None] = lambda status: None,
) -> ModelInfo:
    """Wait until the backend is ready, and give its model. `tell` hears of each status on the way.

    Raises BackendError where it is in trouble, and BackendUnavailable after `timeout_s`.
    """
    changed = asyncio.Event()
    unsubscribe = backend.on_status(lambda _: changed.set())
    try:
        async with asyncio.timeout(timeout_s):
            while True:
                status = backend.status
                tell(status)
                if status.state == "error":
                    raise BackendError(status.message)
                if status.state == "ready" and status.model is not None:
                    return status.model
                await changed.wait()
                changed.clear()
    except TimeoutError:
        raise BackendUnavailable(f"Not ready within {timeout_s:g} s: {backend.status.message}") from None
    finally:
        unsubscribe()
