"""Keeps a session's completion services by their settings, and the backends that all sessions of the process share."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from aix_lsp.backends.base import Backend
from aix_lsp.backends.status import WatchedBackend
from aix_lsp.settings import Settings, for_language
from aix_lsp.settings.names import options

if TYPE_CHECKING:
    from aix_lsp.completion.service import CompletionService

logger = logging.getLogger(__name__)

Roots = Callable[[], Sequence[Path]]
_CLOSE_S = 5.0
MakeService = Callable[[Backend, Callable[[str], Settings], Roots], "CompletionService"]


class ConfiguredService:
    """A completion service with its settings and its share of a backend."""

    def __init__(self, settings: Settings, pool: EnginePool, make_service: MakeService, roots: Roots) -> None:
        self.settings = settings
        self.backend = pool.lease(settings)
        self.service = make_service(self.backend, self.settings_for, roots)
        self._pool = pool

    def settings_for(self, language: str) -> Settings:
        """The current settings for documents of a language (LSP id)."""
        return for_language(self.settings, language)

    async def close(self) -> None:
        """Stop the service's generations and release the backend."""
        await _close(self.service)
        self._pool.release(self.settings)


class ServiceMap:
    """Maps each workspace folder (by URI; "" is everything outside them) to its service."""

    def __init__(self, pool: EnginePool, make_service: MakeService, roots: Roots) -> None:
        self._roots = roots
        self._pool = pool
        self._make_service = make_service
        self._by_folder: dict[str, ConfiguredService] = {}
        self._closing: set[asyncio.Task[None]] = set()

    def __iter__(self) -> Iterator[ConfiguredService]:
        return iter(dict.fromkeys(self._by_folder.values()))

    def get(self, folder: str) -> ConfiguredService | None:
        """The service of a folder; None before the first `apply`."""
        return self._by_folder.get(folder) or self._by_folder.get("")

    def apply(self, settings: Mapping[str, Settings]) -> None:
        """Give each folder a service with its settings; `settings` must have the key "".

        A service whose engine stays the same is kept, along with what it has cached.
        """
        before, after = self._by_folder, dict[str, ConfiguredService]()
        for folder, wanted in settings.items():
            kept = set(after.values())
            same = next((each for each in kept if each.settings == wanted), None)
            known = [before[name] for name in (folder, *before) if name in before]
            after[folder] = same or self._with_settings(wanted, [it for it in known if it not in kept])
        self._by_folder = after
        for configured in set(before.values()) - set(after.values()):
            self._retire(configured)

    def clear(self) -> None:
        """Retire every service; `apply` makes new ones."""
        for configured in list(self):
            self._retire(configured)
        self._by_folder = {}

    def _with_settings(self, wanted: Settings, unused: Iterable[ConfiguredService]) -> ConfiguredService:
        """One of the unused services with the same engine, or a new one."""
        key = identity(wanted)
        for configured in unused:
            if identity(configured.settings) == key:
                configured.settings = wanted
                return configured
        return ConfiguredService(wanted, self._pool, self._make_service, self._roots)

    def _retire(self, configured: ConfiguredService) -> None:
        task = asyncio.ensure_future(configured.close())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def close(self) -> None:
        """Close all services, at the end of the session."""
        self.clear()
        await asyncio.gather(*self._closing)


LINGER_S = 10.0
"""How long an unused backend is kept, since an editor that restarts its server reconnects at once."""
Connect = Callable[[Settings], WatchedBackend]


def identity(settings: Settings) -> tuple[object, ...]:
    """The values that must be equal in two settings for them to share a backend."""
    values = [getattr(settings, option.name) for option in options().values() if option.backend]
    return tuple(tuple(value) if isinstance(value, list) else value for value in values)


@dataclass(slots=True)
class _Shared:
    backend: WatchedBackend
    leases: int = 0
    leaving: asyncio.TimerHandle | None = None


class EnginePool:
    """Backends by the settings they were created from, with reference counts."""

    def __init__(self, connect: Connect, linger_s: float = LINGER_S) -> None:
        self._connect = connect
        self._linger_s = linger_s
        self._shared: dict[tuple[object, ...], _Shared] = {}
        self._closing: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._shared)

    def lease(self, settings: Settings) -> WatchedBackend:
        """The backend for these settings, created if there is none yet. To be released."""
        key = identity(settings)
        shared = self._shared.get(key)
        if shared is None:
            shared = self._shared[key] = _Shared(self._connect(settings))
        if shared.leaving is not None:
            shared.leaving.cancel()
            shared.leaving = None
        shared.leases += 1
        return shared.backend

    def release(self, settings: Settings) -> None:
        """Release the backend for these settings, once for each lease."""
        key = identity(settings)
        shared = self._shared.get(key)
        if shared is None:
            return  # the pool has been closed, without waiting any longer for this one
        shared.leases -= 1
        if shared.leases == 0:
            loop = asyncio.get_running_loop()
            shared.leaving = loop.call_later(self._linger_s, self._drop, key)

    def _drop(self, key: tuple[object, ...]) -> None:
        task = asyncio.ensure_future(_close(self._shared.pop(key).backend))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def close(self) -> None:
        """Close all backends, at the end of the process."""
        while self._shared:
            _, shared = self._shared.popitem()
            if shared.leaving is not None:
                shared.leaving.cancel()
            await _close(shared.backend)
        if self._closing:
            await asyncio.wait(self._closing)


async def _close(part: Backend | CompletionService) -> None:
    try:
        async with asyncio.timeout(_CLOSE_S):
            await part.close()
    except Exception:
        logger.exception("a %s could not be closed", type(part).__name__)
