"""An engine over a fake runner, which must be back in its initial state at the end of each test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from aix_lsp.engine.engine import Engine
from aix_lsp.engine.scheduling.schedule import StepLimits
from tests.engine.fakes import FakeRunner


@pytest.fixture(scope="session", autouse=True)
def _prepared_models_elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep what loading a model prepares in a cache for the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIX_LSP_HOME", str(tmp_path_factory.mktemp("home")))
        yield


@pytest.fixture
async def runner() -> FakeRunner:
    return FakeRunner(pages=200)


@pytest.fixture
async def engine(runner: FakeRunner) -> AsyncIterator[Engine]:
    engine = Engine(runner, limits=StepLimits(waiting=4, running=4, client_waiting=2, client_running=2))
    engine.start()
    yield engine
    engine.stop()
    assert engine.active == 0
    assert not engine._thread.is_alive()
    scheduler = engine._stepper.scheduler
    scheduler.check_integrity()
    assert scheduler.cache.pool.held == 0
