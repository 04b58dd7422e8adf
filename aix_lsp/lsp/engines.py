"""Backends of this process, shared by all sessions whose settings ask for the same one."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from aix_lsp.backends.base import Backend, BackendStatus
from aix_lsp.settings import Settings

logger = logging.getLogger(__name__)

LINGER_S = 10.0
"""A backend without sessions is kept this long: an editor that restarts its server comes back at once."""

_CLOSE_S = 5.0
_REMOTE = ("url", "api_key", "remote_model", "remote_format")


class LiveBackend(Backend, Protocol):
    """A backend as aix_lsp.backends.launch gives it."""

    def on_status(self, listener: Callable[[BackendStatus], None], /) -> Callable[[], None]:
        """Call `listener` at each change of state, on the event loop; returns what ends that."""
        ...

    async def restart(self) -> None:
        """Start the engine afresh, where it is one of ours."""
        ...


Connect = Callable[[Settings], LiveBackend]


def identity(settings: Settings) -> tuple[object, ...]:
    """What two settings must agree in to share a backend."""
    return tuple(
        getattr(settings, field.name)
        for field in dataclasses.fields(settings)
        if field.metadata["engine"] or field.name in _REMOTE
    )


@dataclass(slots=True)
class _Shared:
    backend: LiveBackend
    leases: int = 0
    leaving: asyncio.TimerHandle | None = None


class EnginePool:
    """Backends by the settings that they were made from, counted by their users."""

    def __init__(self, connect: Connect, linger_s: float = LINGER_S) -> None:
        self._connect = connect
        self._linger_s = linger_s
        self._shared: dict[tuple[object, ...], _Shared] = {}
        self._closing: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._shared)

    def lease(self, settings: Settings) -> Lease:
        """The backend for these settings, made where there is none yet."""
        key = identity(settings)
        shared = self._shared.get(key)
        if shared is None:
            shared = self._shared[key] = _Shared(self._connect(settings))
        if shared.leaving is not None:
            shared.leaving.cancel()
            shared.leaving = None
        shared.leases += 1
        return Lease(self, key, shared.backend)

    def release(self, key: tuple[object, ...]) -> None:
        """One user fewer; for Lease only."""
        shared = self._shared[key]
        shared.leases -= 1
        if shared.leases == 0:
            loop = asyncio.get_running_loop()
            shared.leaving = loop.call_later(self._linger_s, self._drop, key)

    def _drop(self, key: tuple[object, ...]) -> None:
        task = asyncio.ensure_future(_close(self._shared.pop(key).backend))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def close(self) -> None:
        """Close every backend, at the end of the process."""
        while self._shared:
            _, shared = self._shared.popitem()
            if shared.leaving is not None:
                shared.leaving.cancel()
            await _close(shared.backend)
        if self._closing:
            await asyncio.wait(self._closing)


class Lease:
    """One session's share of a backend."""

    def __init__(self, pool: EnginePool, key: tuple[object, ...], backend: LiveBackend) -> None:
        self.key = key
        self.backend = backend
        self._pool: EnginePool | None = pool

    def release(self) -> None:
        """Give the share back; again does nothing."""
        if self._pool is not None:
            self._pool.release(self.key)
            self._pool = None


async def _close(backend: Backend) -> None:
    try:
        async with asyncio.timeout(_CLOSE_S):
            await backend.close()
    except Exception:
        logger.exception("a backend could not be closed")
