"""Creates the backend for the settings: a remote server, or the user's own engine, found or started."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

from aix_lsp.backends.base import (
    BackendError,
    BackendStatus,
    BackendUnavailable,
    Delta,
    GenerateRequest,
    Usage,
)
from aix_lsp.backends.corpus import CorpusUploader
from aix_lsp.backends.dialects import EngineDialect
from aix_lsp.backends.failover import FailoverBackend
from aix_lsp.backends.openai import OpenAIBackend
from aix_lsp.backends.status import StatusBoard, WatchedBackend
from aix_lsp.backends.supervisor import EngineSupervisor
from aix_lsp.settings.table import Settings

log = logging.getLogger(__name__)

_DIALECT = EngineDialect()
_POLITE_S = 5.0


def connect(settings: Settings) -> WatchedBackend:
    """The backend for these settings. Returns at once; `status` and `on_status` report what it finds.

    Must be called on a running event loop, on which the backend is then used.
    """
    if not settings.urls:
        return LocalEngine(settings)
    servers = [OpenAIBackend(replace(settings, url=url)) for url in settings.urls]
    if len(servers) == 1 and not settings.local_fallback:
        return servers[0]
    return FailoverBackend(servers, (lambda: LocalEngine(settings)) if settings.local_fallback else None)


class LocalEngine(WatchedBackend):
    """The user's engine, shared with all servers that have the same engine settings."""

    def __init__(self, settings: Settings) -> None:
        self._board = StatusBoard(BackendStatus("starting", "starting the engine"))
        self._supervisor = EngineSupervisor(settings, self._board)
        self._uploader = CorpusUploader()
        self._supervising = asyncio.create_task(self._supervisor.run())

    @property
    def pid(self) -> int:
        """The engine's process, or 0 while there is none."""
        return self._supervisor.pid

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Delta | Usage]:
        """See Backend.generate."""
        client, status = self._supervisor.client, self._board.status
        if status.state == "error":
            raise BackendError(status.message)
        if client is None or status.state != "ready":
            raise BackendUnavailable(f"Not ready: {status.message or status.state}.")
        self._uploader.provide(client, request.corpus)
        url, body = _DIALECT.url(client.address), _DIALECT.body(request)
        async with aclosing(client.events(url, body)) as events:
            async for event in events:
                for item in _DIALECT.read(event):
                    yield item

    async def restart(self) -> None:
        """Restart the engine, for all servers that share it."""
        pid = self._supervisor.pid
        if pid:
            log.info("stopping the engine (pid %d) to restart it", pid)
            await self._end(pid)
        self._supervisor.retry()

    async def close(self) -> None:
        """Give up the lease; the engine exits by itself once nobody holds one."""
        self._supervising.cancel()
        await asyncio.gather(self._supervising, return_exceptions=True)
        await self._uploader.close()  # now that there is no client, no request sends it anything more
        self._board.set(BackendStatus("stopped"))

    async def _end(self, pid: int) -> None:
        gone = asyncio.Event()
        unsubscribe = self.on_status(lambda _: gone.set())
        try:
            os.kill(pid, signal.SIGTERM)
            async with asyncio.timeout(_POLITE_S):
                while self._supervisor.pid == pid:
                    await gone.wait()
                    gone.clear()
        except (ProcessLookupError, PermissionError):
            pass
        except TimeoutError:
            if self._supervisor.pid == pid and sys.platform != "win32":
                os.kill(pid, signal.SIGKILL)
        finally:
            unsubscribe()
