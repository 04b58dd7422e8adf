"""Failures of the supervisor: settings that cannot be passed to a process, and impostors at the engine's address."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from aix_lsp.backends.base import BackendStatus
from aix_lsp.backends.engine_endpoint import engine_endpoint
from aix_lsp.backends.status import StatusBoard
from aix_lsp.backends.supervisor import EngineSupervisor
from aix_lsp.settings import Settings
from tests.backends.servers import CompletionsServer, says, serving


async def first_word(settings: Settings) -> tuple[BackendStatus, EngineSupervisor]:
    """The first status that a supervisor reports, and the supervisor, which must still be running by then."""
    board, told = StatusBoard(BackendStatus("starting")), asyncio.Queue[BackendStatus]()
    board.subscribe(told.put_nowait)
    supervisor = EngineSupervisor(settings, board)
    running = asyncio.create_task(supervisor.run())
    try:
        async with asyncio.timeout(60):
            status = await told.get()
        await asyncio.sleep(0)
        assert not running.done()
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    return status, supervisor


@pytest.fixture
def home(fresh_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AIX_LSP_HOME", str(fresh_home))
    return fresh_home


async def test_an_engine_process_that_cannot_be_started_is_reported(home: Path) -> None:
    status, _ = await first_word(Settings(model="a\0b"))
    assert status.state == "error" and "cannot be started" in status.message


@pytest.mark.parametrize(
    ("told", "state"),
    [
        ({"state": "ready", "model": "x", "pid": -1}, "ready"),
        ({"state": "ready", "model": {"name": 7, "family": [], "context_length": "x"}, "pid": True}, "ready"),
        ({"state": [], "stage": 3, "fraction": "half", "pid": "7"}, "loading"),
        ({"state": "error", "message": {}}, "error"),
        ([], "error"),
        (7, "error"),
    ],
)
async def test_an_impostor_is_reported_and_sent_no_signal(home: Path, told: Any, state: str) -> None:
    server = CompletionsServer(says("x"))
    server.extra["/aix/events"] = told
    async with serving(server, socket=engine_endpoint(Settings()).socket):
        status, supervisor = await first_word(Settings())
    assert status.state == state
    assert supervisor.pid == 0
