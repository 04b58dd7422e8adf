"""Servers of all kinds for the language server's tests. All files go under their own home."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from aix_lsp.lsp.session import Dependencies
from tests.client.peer import DirectPeer
from tests.lsp.scripted import ScriptedBackend, dependencies, echo


@pytest.fixture(autouse=True)
def _all_at_home(home: Path) -> None:
    """Keep the tests of this folder from writing outside their home."""


@pytest.fixture
async def backend() -> ScriptedBackend:
    return ScriptedBackend(echo)


@pytest.fixture
async def connect() -> AsyncIterator[Callable[[Dependencies], DirectPeer]]:
    """Creates clients of sessions in this process, and checks that nothing of them is left at the end."""
    made: list[DirectPeer] = []

    def connect(of: Dependencies) -> DirectPeer:
        made.append(DirectPeer(of))
        return made[-1]

    yield connect
    for peer in made:
        await peer.session.close()
        await peer.session.dependencies.pool.close()


@pytest.fixture
async def peer(connect: Callable[[Dependencies], DirectPeer], backend: ScriptedBackend) -> DirectPeer:
    """A client of a session with `backend`, not initialized."""
    return connect(dependencies(backend))
