"""The completion services of a session: one for each group of folders with the same settings."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from aix_lsp.backends.base import Backend
from aix_lsp.lsp.engines import EnginePool, Lease, identity
from aix_lsp.settings import Settings, for_language

if TYPE_CHECKING:
    from aix_lsp.completion.service import CompletionService

logger = logging.getLogger(__name__)

Roots = Callable[[], Sequence[Path]]
_CLOSE_S = 5.0
MakeService = Callable[[Backend, Callable[[str], Settings], Roots], "CompletionService"]


class Scope:
    """Settings, and the service and backend that work by them."""

    def __init__(self, settings: Settings, lease: Lease, make_service: MakeService, roots: Roots) -> None:
        self.settings = settings
        self.lease = lease
        self.service = make_service(lease.backend, self.settings_for, roots)

    def settings_for(self, language: str) -> Settings:
        """The settings for documents of a language (LSP id), as they are now."""
        return for_language(self.settings, language)

    async def close(self) -> None:
        """End the service's generations and give the backend back."""
        try:
            async with asyncio.timeout(_CLOSE_S):
                await self.service.close()
        except Exception:
            logger.exception("a completion service could not be closed")
        self.lease.release()


class Scopes:
    """Which scope each workspace folder (by URI; "" is everything outside of them) has."""

    def __init__(self, pool: EnginePool, make_service: MakeService, roots: Roots) -> None:
        self._roots = roots
        self._pool = pool
        self._make_service = make_service
        self._by_folder: dict[str, Scope] = {}
        self._closing: set[asyncio.Task[None]] = set()

    def __iter__(self) -> Iterator[Scope]:
        return iter({id(scope): scope for scope in self._by_folder.values()}.values())

    def get(self, folder: str) -> Scope | None:
        """The scope of a folder; None before the first `apply`."""
        return self._by_folder.get(folder) or self._by_folder.get("")

    def apply(self, settings: Mapping[str, Settings]) -> None:
        """Give each folder a scope with its settings; must name "".

        A scope whose engine stays the same is kept, with what its service has cached.
        """
        before, kept = dict(self._by_folder), dict[int, Scope]()
        after: dict[str, Scope] = {}
        for folder, wanted in settings.items():
            scope = next((s for s in kept.values() if s.settings == wanted), None)
            if scope is None:
                scope = self._reusable(before, kept, folder, wanted)
            kept[id(scope)] = scope
            after[folder] = scope
        self._by_folder = after
        for scope in {id(s): s for s in before.values() if id(s) not in kept}.values():
            self._retire(scope)

    def clear(self) -> None:
        """Retire every scope; `apply` makes new ones."""
        for scope in list(self):
            self._retire(scope)
        self._by_folder = {}

    def _reusable(
        self, before: Mapping[str, Scope], kept: Mapping[int, Scope], folder: str, wanted: Settings
    ) -> Scope:
        key = identity(wanted)
        candidates = [before[folder]] if folder in before else []
        for scope in [*candidates, *before.values()]:
            if id(scope) not in kept and scope.lease.key == key:
                scope.settings = wanted
                return scope
        return Scope(wanted, self._pool.lease(wanted), self._make_service, self._roots)

    def _retire(self, scope: Scope) -> None:
        task = asyncio.ensure_future(scope.close())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def close(self) -> None:
        """Close every scope, at the session's end."""
        self.clear()
        await asyncio.gather(*self._closing)
