"""Finds, starts, shares and loses the real engine with the embedded model."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

import aix_lsp
from aix_lsp.backends import engine_endpoint
from aix_lsp.backends.base import (
    BackendError,
    BackendStatus,
    BackendUnavailable,
    GenerateRequest,
    ModelInfo,
    Usage,
)
from aix_lsp.backends.client import HttpClient
from aix_lsp.backends.launch import LocalEngine, connect
from aix_lsp.backends.status import StatusBoard, WatchedBackend, wait_until_ready
from aix_lsp.fim.prompt import FimPrompt
from aix_lsp.settings import Settings
from tests.client.engine_watch import engine_pids, socket_of, wait_until, wait_until_gone
from tests.models import SMALL

READY_S = 100.0
REQUEST = GenerateRequest(FimPrompt("def add(a, b):\n    return a", "\n"), max_tokens=4)
LONG = GenerateRequest(FimPrompt("values = [1, 2, 3, 4, 5, 6, 7, 8, ", "\n"), max_tokens=1500)


@pytest.fixture
def home(fresh_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AIX_LSP_HOME", str(fresh_home))
    return fresh_home


@pytest.fixture
def shared_home(engine_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home whose engine may already run; tests that use it leave the engine as they found it."""
    monkeypatch.setenv("AIX_LSP_HOME", str(engine_home))
    return engine_home


@asynccontextmanager
async def engine(**settings: Any) -> AsyncIterator[LocalEngine]:
    found = connect(Settings(**settings))
    assert isinstance(found, LocalEngine)
    try:
        yield found
    finally:
        await found.close()


async def text_of(found: LocalEngine, request: GenerateRequest = REQUEST) -> str:
    return "".join([item.text async for item in found.generate(request) if not isinstance(item, Usage)])


async def state(found: LocalEngine, *wanted: str) -> BackendStatus:
    await wait_until(lambda: found.status.state in wanted, READY_S, f"{wanted}, not {found.status}")
    return found.status


async def single_engine(home: Path) -> int:
    """The engine's pid, when those that found its lock taken have left: each server may have started one."""
    await wait_until(lambda: len(engine_pids(home)) == 1, READY_S, "a single engine")
    return engine_pids(home)[0]


async def test_ready_and_generating(shared_home: Path) -> None:
    states: list[str] = []
    async with engine() as found:
        found.on_status(lambda status: states.append(status.state))
        with pytest.raises(BackendUnavailable):
            await text_of(found)
        info = await wait_until_ready(found, READY_S)
        assert (info.name, info.family, info.fim) == ("embedded", "aix", True)
        assert states[-1] == "ready"
        assert await text_of(found)
        assert engine_pids(shared_home) == [found.pid]
    assert states[-1] == "stopped"


async def test_a_second_server_joins_and_the_first_may_leave(shared_home: Path) -> None:
    async with engine() as second:
        async with engine() as first:
            await asyncio.gather(wait_until_ready(first, READY_S), wait_until_ready(second, READY_S))
            assert first.pid == second.pid
        assert await text_of(second)
    await single_engine(shared_home)


async def test_usage_reports_cached_tokens(shared_home: Path) -> None:
    async with engine() as found:
        await wait_until_ready(found, READY_S)
        await text_of(found)
        usages = [item async for item in found.generate(REQUEST) if isinstance(item, Usage)]
        assert usages[0].prompt_tokens > 5
        assert usages[0].cached_tokens > 0


async def test_closing_a_stream_frees_the_engine(shared_home: Path) -> None:
    async with engine() as found:
        await wait_until_ready(found, READY_S)
        stream = found.generate(LONG)
        await anext(stream)
        await stream.aclose()
        assert await text_of(found)


async def test_two_server_processes_that_start_together_share_one_engine(home: Path) -> None:
    code = (
        "import asyncio\n"
        "from aix_lsp.backends.launch import connect\n"
        "from aix_lsp.backends.status import wait_until_ready\n"
        "from aix_lsp.settings import Settings\n"
        "async def main():\n"
        "    engine = connect(Settings())\n"
        f"    await wait_until_ready(engine, {READY_S})\n"
        "    print(engine.pid)\n"
        "    await engine.close()\n"
        "asyncio.run(main())\n"
    )
    servers = [
        await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            code,
            stdout=asyncio.subprocess.PIPE,
            cwd=Path(aix_lsp.__file__).parent.parent,
        )
        for _ in range(3)
    ]
    told = {(await server.communicate())[0].strip() for server in servers}
    assert told == {str(await single_engine(home)).encode()}


async def test_an_engine_killed_in_mid_stream_comes_back(home: Path) -> None:
    async with engine() as found:
        await wait_until_ready(found, READY_S)
        first = found.pid
        stream = found.generate(LONG)
        await anext(stream)
        os.kill(first, signal.SIGKILL)
        with pytest.raises(BackendUnavailable):
            async for _ in stream:
                pass
        await wait_until(lambda: found.pid not in (0, first), READY_S, "another engine")
        await wait_until_ready(found, READY_S)
        assert await text_of(found)


async def test_a_stale_socket_is_no_obstacle(home: Path) -> None:
    endpoint = engine_endpoint.engine_endpoint(Settings())
    assert endpoint.socket is not None
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(endpoint.socket))
    assert endpoint.socket.exists()
    async with engine() as found:
        await wait_until_ready(found, READY_S)
        assert await text_of(found)


async def test_restart_makes_a_new_engine_for_all(home: Path) -> None:
    async with engine() as one, engine() as other:
        await asyncio.gather(wait_until_ready(one, READY_S), wait_until_ready(other, READY_S))
        first = one.pid
        await one.restart()
        await wait_until(lambda: not {one.pid, other.pid} & {0, first}, READY_S, "another engine")
        await asyncio.gather(wait_until_ready(one, READY_S), wait_until_ready(other, READY_S))
        assert one.pid == other.pid
        assert await text_of(other)


async def test_the_engine_exits_when_nobody_needs_it(home: Path) -> None:
    async with engine(idle_exit_s=0.5) as found:
        await wait_until_ready(found, READY_S)
        served_by, until = found.pid, time.monotonic() + 3 * 0.5
        while time.monotonic() < until:
            assert engine_pids(home) == [served_by], "an engine with a client must not leave"
            await asyncio.sleep(0.05)
        assert await text_of(found) and found.pid == served_by
    await wait_until_gone(home)
    assert not [path for path in (home / "run").iterdir() if path.suffix == ".sock"]


async def test_a_model_that_cannot_be_loaded_is_reported_once_and_can_be_repaired(
    home: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    async with engine(model=str(folder)) as found:
        status = await state(found, "error")
        assert str(folder) in status.message
        with pytest.raises(BackendError) as raised:
            await text_of(found)
        assert not isinstance(raised.value, BackendUnavailable)
        await wait_until_gone(home)
        assert found.status.state == "error"
        for part in SMALL.iterdir():
            shutil.copy(part, folder)
        await found.restart()
        assert (await wait_until_ready(found, READY_S)).name
        assert await text_of(found)


async def test_settings_decide_which_engine(home: Path) -> None:
    base = Settings()
    same = [
        Settings(max_tokens=5),
        Settings(idle_exit_s=3),
        Settings(api_key="k"),
    ]
    other = [Settings(threads=2), Settings(model="x"), Settings(fim_family="qwen")]
    assert {engine_endpoint.engine_key(settings) for settings in [base, *same]} == {
        engine_endpoint.engine_key(base)
    }
    assert len({engine_endpoint.engine_key(settings) for settings in [base, *other]}) == 4


async def test_over_loopback_with_a_token(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on systems without Unix sockets."""
    monkeypatch.setattr(engine_endpoint, "HAS_UNIX_SOCKETS", False)
    async with engine() as one, engine() as other:
        await asyncio.gather(wait_until_ready(one, READY_S), wait_until_ready(other, READY_S))
        assert one.pid == other.pid
        assert await text_of(other)
        endpoint = engine_endpoint.engine_endpoint(Settings())
        stranger = HttpClient(endpoint.address)
        with pytest.raises(BackendError, match="401"):
            await stranger.get(endpoint.address.models)
        await stranger.close()
    assert endpoint.token_file is not None
    assert endpoint.token_file.stat().st_mode & 0o077 == 0
    assert socket_of(home) is None


@pytest.mark.parametrize("round_", range(20))
def test_servers_that_start_together_choose_one_port(
    home: Path, monkeypatch: pytest.MonkeyPatch, round_: int
) -> None:
    monkeypatch.setattr(engine_endpoint, "HAS_UNIX_SOCKETS", False)
    with ThreadPoolExecutor(8) as servers:
        endpoints = list(servers.map(engine_endpoint.engine_endpoint, [Settings()] * 8))
    assert len({(endpoint.port, endpoint.token) for endpoint in endpoints}) == 1
    assert engine_endpoint.forget_port(endpoints[0])
    drawn = engine_endpoint.engine_endpoint(Settings())
    engine_endpoint.forget_port(endpoints[1])  # the second to notice: a port chosen since then stays
    assert engine_endpoint.engine_endpoint(Settings()).port == drawn.port


async def test_another_program_on_the_chosen_port(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_endpoint, "HAS_UNIX_SOCKETS", False)
    endpoint = engine_endpoint.engine_endpoint(Settings())

    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with await asyncio.start_server(hang_up, "127.0.0.1", endpoint.port), engine() as found:
        await wait_until_ready(found, READY_S)
        assert await text_of(found)
        assert engine_endpoint.engine_endpoint(Settings()).port != endpoint.port


async def test_waiting_for_readiness_times_out_with_a_message() -> None:
    class Never(WatchedBackend):
        _board = StatusBoard(BackendStatus("loading", "counting sheep"))

        def generate(self, request: GenerateRequest) -> Any:
            raise NotImplementedError

        async def restart(self) -> None: ...

        async def close(self) -> None: ...

    with pytest.raises(BackendUnavailable, match="counting sheep"):
        await wait_until_ready(Never(), 0.01)
    assert ModelInfo("").fim
