"""Closing a backend is for good: it asks no server and starts no engine afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from aix_lsp.backends.base import BackendError, BackendUnavailable, Delta
from aix_lsp.backends.failover import FailoverBackend
from aix_lsp.backends.openai import OpenAIBackend
from aix_lsp.settings import Settings
from tests.backends.remote_backend import REQUEST, backend, collect, settled
from tests.backends.servers import CompletionsServer, event


async def test_a_remote_server_is_asked_nothing_more(server: CompletionsServer) -> None:
    async with backend(server) as found:
        pass
    asked = len(server.paths)
    with pytest.raises(BackendUnavailable):
        await collect(found)
    await found.restart()
    await asyncio.sleep(0)
    assert found.status.state == "stopped"
    assert len(server.paths) == asked


async def test_no_local_engine_takes_over(server: CompletionsServer) -> None:
    """Neither a request in flight, which loses its server, nor a later one."""

    async def begins(_: dict[str, Any]) -> AsyncIterator[bytes]:
        yield event("begun")
        await asyncio.Event().wait()

    server.reply = begins
    remote = OpenAIBackend(Settings(url=server.url))
    found = FailoverBackend([remote], lambda: pytest.fail("a local engine was started"))
    await settled(remote)
    stream = found.generate(REQUEST)
    assert await anext(stream) == Delta("begun")
    await found.close()
    with pytest.raises(BackendError):
        await anext(stream)
    with pytest.raises(BackendError):
        await anext(found.generate(REQUEST))
    assert found.status.state == "stopped"
