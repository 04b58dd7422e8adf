"""Fixtures of the tests of completion: a home for each test, and a service over a scripted backend."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from aix_lsp.completion.service import CompletionService
from tests.completion.scripted import SETTINGS, ScriptedBackend


@pytest.fixture(autouse=True)
def _all_at_home(home: Path) -> None:
    """Keep the tests of this folder from writing outside their home."""


@pytest.fixture
async def backend() -> ScriptedBackend:
    return ScriptedBackend()


@pytest.fixture
async def service(backend: ScriptedBackend) -> AsyncIterator[CompletionService]:
    made = CompletionService(backend, lambda language: SETTINGS)
    yield made
    await made.close()
    assert all(call.closed.is_set() for call in backend.calls)
