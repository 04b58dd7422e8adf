"""The engine process with the embedded model: ready, streams, restarts, one per lock, exits when idle."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import json
import os
import signal
import stat
import sys
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from aix_lsp.engine import loading
from aix_lsp.engine.options import EngineOptions
from tests.models.prepared import keep_prepared, take_prepared

SOURCE = Path(__file__).read_text("utf-8")


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="aix-") as made:
        take_prepared(Path(made))
        yield Path(made)
        keep_prepared(Path(made))


class EngineProcess:
    """A running `aix-lsp engine`, and a client session to it."""

    def __init__(self, process: asyncio.subprocess.Process, socket: Path) -> None:
        self.process = process
        self.socket = socket
        self.session = aiohttp.ClientSession("http://aix", connector=aiohttp.UnixConnector(str(socket)))

    async def ready(self) -> dict[str, Any]:
        assert self.process.stdout
        line = await asyncio.wait_for(self.process.stdout.readline(), 60)
        made: dict[str, Any] = json.loads(line)
        return made

    async def listening(self) -> None:
        async with asyncio.timeout(60):
            while not self.socket.exists():  # only a file signals this, nothing to await
                await asyncio.sleep(0.02)

    async def status(self) -> int:
        return await asyncio.wait_for(self.process.wait(), 60)

    async def events(self, **body: Any) -> AsyncGenerator[dict[str, Any]]:
        async with self.session.post("/v1/completions", json={**body, "stream": True}) as response:
            assert response.status == 200
            async for line in response.content:
                if line.startswith(b"data: {"):
                    yield json.loads(line[6:])

    async def text(self, **body: Any) -> tuple[str, dict[str, int]]:
        found = ""
        usage: dict[str, int] = {}
        async for event in self.events(**body):
            found += "".join(choice["text"] for choice in event["choices"] if choice["index"] == 0)
            usage = event.get("usage", usage)
        return found, usage

    async def figure(self, name: str) -> float:
        async with self.session.get("/metrics") as response:
            lines = (await response.text()).splitlines()
        return next(float(line.split()[-1]) for line in lines if line.split()[0] == name)


@contextlib.asynccontextmanager
async def engine(folder: Path, *flags: str) -> AsyncIterator[EngineProcess]:
    socket = folder / "run" / "engine.sock"
    arguments = ["--uds", str(socket), "--lock", str(folder / "run" / "lock"), "--threads", "1", *flags]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "aix_lsp", "engine", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "AIX_LSP_HOME": str(folder)},
    )
    made = EngineProcess(process, socket)
    try:
        yield made
    finally:
        await made.session.close()
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def test_a_session_of_typing(folder: Path) -> None:
    async with engine(folder, "--idle-exit-s", "0") as running:
        ready = await running.ready()
        assert ready["ready"] and ready["url"] == f"unix:{running.socket}" and ready["model"] == "embedded"
        assert ready["pid"] == running.process.pid
        assert stat.S_IMODE(running.socket.stat().st_mode) == 0o600
        assert stat.S_IMODE(running.socket.parent.stat().st_mode) == 0o700
        await _typing_reuses_the_prompt(running)
        await _candidates_differ_and_share(running)
        await _closing_cancels(running)
        await _stops_hold(running)
        await _healing_spells_what_was_typed(running)
        running.process.send_signal(signal.SIGTERM)
        assert await running.status() == 0
        assert not running.socket.exists()


async def _typing_reuses_the_prompt(running: EngineProcess) -> None:
    texts = []
    for typed in range(8):
        body = {"prompt": SOURCE[: 1500 + typed], "suffix": SOURCE[2000:3000], "max_tokens": 16}
        text, usage = await running.text(**body, aix={"path": "a.py", "stream_key": "a"})
        texts.append(text)
        if typed:
            assert usage["prompt_tokens"] - usage["cached_tokens"] <= 8
    assert any(texts)


async def _candidates_differ_and_share(running: EngineProcess) -> None:
    body = {"prompt": SOURCE[:1400] + "\n\n\ndef ", "n": 4, "temperature": 2.0, "seed": 3, "max_tokens": 12}
    async with running.session.post("/v1/completions", json=body) as response:
        answer = await response.json()
    assert len({choice["text"] for choice in answer["choices"]}) > 1


async def _closing_cancels(running: EngineProcess) -> None:
    stream = running.events(prompt="def f():\n", max_tokens=1500)
    await anext(stream)
    await stream.aclose()
    async with asyncio.timeout(60):
        while not await running.figure('aix_requests_total{end="cancelled"}'):
            pass
    assert await running.figure('aix_pool_pages{state="held"}') == 0
    assert await running.figure("aix_tokens_after_cancel_total") <= 1


async def _stops_hold(running: EngineProcess) -> None:
    line, _ = await running.text(prompt="def f(x):\n    return", aix={"stop_when": "line"}, max_tokens=60)
    assert "\n" not in line.strip("\n")
    cut, _ = await running.text(prompt="import ", stop=["i", "o"], max_tokens=60)
    assert "i" not in cut and "o" not in cut


async def _healing_spells_what_was_typed(running: EngineProcess) -> None:
    for head in ("import o", "def __ini", "    self.asser", "x = '世", "print(", "if x:\n    "):
        healed, _ = await running.text(prompt=head, max_tokens=8)
        body = {"prompt": head, "max_tokens": 8, "logprobs": 0}
        async with running.session.post("/v1/completions", json=body) as response:
            choice = (await response.json())["choices"][0]
        assert choice["text"] == healed
        spelled = "".join(choice["logprobs"]["tokens"])
        assert "\ufffd" in spelled or spelled.endswith(healed)


async def test_two_engines_share_one_lock_and_a_killed_one_blocks_nobody(folder: Path) -> None:
    async with engine(folder) as first:
        await first.ready()
        async with engine(folder) as second:
            assert await second.status() == 75
        stream = first.events(prompt="x = 1\n", max_tokens=1000)
        await anext(stream)
        first.process.kill()
        with contextlib.suppress(aiohttp.ClientError):
            await anext(stream)
        await first.status()
        assert first.socket.exists()
        async with engine(folder) as third:
            assert (await third.ready())["pid"] == third.process.pid
            assert (await third.text(prompt="x = 1\n", max_tokens=2))[1]["completion_tokens"] > 0


async def test_it_exits_when_idle_but_not_while_somebody_holds_the_lease(folder: Path) -> None:
    async with engine(folder, "--idle-exit-s", "0.6") as running:
        await running.listening()
        async with running.session.get("/aix/events") as lease:
            states = []
            async for line in lease.content:
                if line.startswith(b"data: "):
                    states.append(json.loads(line[6:]))
                    if states[-1]["state"] == "ready":
                        break
            assert states[0]["state"] == "loading" and states[-1]["model"]["fim"]
            stages = [state["stage"] for state in states if state["state"] == "loading"]
            assert "files" in stages
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(asyncio.shield(running.process.wait()), 2)
        assert await running.status() == 0
        assert not running.socket.exists()


async def test_it_reports_a_model_that_cannot_be_loaded_and_exits(folder: Path) -> None:
    async with engine(folder, "--model", str(folder / "nothing"), "--offline") as running:
        await running.listening()
        async with running.session.get("/aix/events") as lease:
            async for line in lease.content:
                if b'"error"' in line:
                    assert "model" in json.loads(line[6:])["message"]
                    break
            else:
                raise AssertionError("no error was reported")
        assert await running.status() == 1
        assert running.process.stderr
        assert b"model" in await running.process.stderr.read()


async def test_it_stops_on_sigterm_while_loading(folder: Path) -> None:
    async with engine(folder) as running:
        await running.listening()
        async with running.session.get("/health") as response:
            assert response.status == 503
        running.process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(running.status(), 60) == 0


async def test_it_ends_its_streams_on_sigterm(folder: Path) -> None:
    async with engine(folder) as running:
        await running.ready()
        async with running.session.get("/aix/events") as lease:
            stream = running.events(prompt="def f():\n", max_tokens=1500)
            await anext(stream)
            running.process.send_signal(signal.SIGTERM)
            last = [event async for event in stream]
            assert last[-2]["choices"][0]["finish_reason"] == "cancelled" and "usage" in last[-1]
            assert await asyncio.wait_for(lease.read(), 60)
        assert await asyncio.wait_for(running.status(), 60) == 0


def test_torchs_primitive_cache_is_bounded_unless_the_user_sets_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise prompts of many lengths take 600 MiB that are never released (docs/security.md)."""
    seen: dict[str, str] = {}

    class Loader:
        @staticmethod
        def load(*_: object) -> None:
            seen.update(os.environ)

    monkeypatch.setattr(importlib, "import_module", lambda name: Loader)
    monkeypatch.setenv("LRU_CACHE_CAPACITY", "7")
    monkeypatch.setenv("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "")
    monkeypatch.delenv("ONEDNN_PRIMITIVE_CACHE_CAPACITY")
    loading.load_model(EngineOptions(), lambda stage, fraction: None)
    assert (seen["LRU_CACHE_CAPACITY"], seen["ONEDNN_PRIMITIVE_CACHE_CAPACITY"]) == ("7", "32")
