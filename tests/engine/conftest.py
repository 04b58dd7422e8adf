"""An engine over a fake runner, which must be whole again at each test's end."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from aix_lsp.engine.engine import Engine
from aix_lsp.engine.scheduling.schedule import Limits
from tests.engine.fakes import FakeRunner


@pytest.fixture
async def runner() -> FakeRunner:
    return FakeRunner(pages=200)


@pytest.fixture
async def engine(runner: FakeRunner) -> AsyncIterator[Engine]:
    engine = Engine(runner, limits=Limits(waiting=4, running=4, client_waiting=2, client_running=2))
    engine.start()
    yield engine
    engine.stop()
    assert engine.active == 0
    assert not engine._thread.is_alive()
    scheduler = engine._stepper.scheduler
    scheduler.check_integrity()
    assert scheduler.cache.pool.held == 0
