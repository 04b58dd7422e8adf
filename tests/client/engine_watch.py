"""Observes the engine behind a server from outside: its processes, its socket, its metrics. Gives it no work."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp

POLL_S = 0.02


def engine_pids(home: Path) -> list[int]:
    """The engine processes whose files are under `home`."""
    return [pid for pid, command in _processes() if " engine" in command and _belongs(pid, command, home)]


def socket_of(home: Path) -> Path | None:
    """The engine's Unix socket, or None if there is none. Raises RuntimeError if several engines run for `home`."""
    found = [path for path in (home / "run").glob("*") if path.is_socket()]
    if len(found) > 1:
        raise RuntimeError(f"servers with different engine settings share {home}; which engine is meant?")
    return found[0] if found else None


def end_engines(home: Path, within: float = 10.0) -> None:
    """End all engines that run for `home`, which is about to be removed, and wait until they are gone."""
    deadline = time.monotonic() + within
    while pids := engine_pids(home):
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM if time.monotonic() < deadline else signal.SIGKILL)
        time.sleep(POLL_S)


async def wait_until(condition: Callable[[], Any], within: float = 60, what: str = "the condition") -> Any:
    """Poll until `condition()` is true; returns its value. Raises TimeoutError naming `what`."""
    deadline = asyncio.get_running_loop().time() + within
    while not (value := condition()):
        if asyncio.get_running_loop().time() > deadline:
            raise TimeoutError(f"{what} did not come true within {within} s")
        await asyncio.sleep(POLL_S)
    return value


async def wait_until_gone(home: Path, within: float = 60) -> None:
    """Wait until no engine runs for `home` and its socket is removed."""
    await wait_until(lambda: not engine_pids(home), within, "the engine's leaving")
    await wait_until(lambda: socket_of(home) is None, within, "the removal of the engine's socket")


class EngineClient:
    """Speaks HTTP with the engine of one home, as another client of it."""

    def __init__(self, home: Path) -> None:
        self.session = _session(home)

    async def __aenter__(self) -> EngineClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.session.close()

    async def health(self) -> dict[str, Any]:
        async with self.session.get("/health") as answer:
            return dict(await answer.json())

    async def metrics(self) -> dict[str, float]:
        """All samples of /metrics; the keys are the names with their labels, as Prometheus writes them."""
        async with self.session.get("/metrics") as answer:
            return parse_metrics(await answer.text())


def _session(home: Path) -> aiohttp.ClientSession:
    """An HTTP session with the engine: over its socket, or, on systems without those, over loopback with its token.

    Raises FileNotFoundError where no engine can be found.
    """
    if (path := socket_of(home)) is not None:
        return aiohttp.ClientSession("http://engine", connector=aiohttp.UnixConnector(str(path)))
    for address in (home / "run").glob("*.address"):
        token = address.with_suffix(".token").read_text("ascii")
        headers = {"Authorization": f"Bearer {token}"}
        return aiohttp.ClientSession(f"http://127.0.0.1:{int(address.read_text())}", headers=headers)
    raise FileNotFoundError(f"no engine's address under {home / 'run'}")


async def engine_idle(engine: EngineClient, within: float = 60) -> None:
    """Wait until nothing runs or waits in the engine. Raises TimeoutError."""
    async with asyncio.timeout(within):
        while True:
            metrics = await engine.metrics()
            if not metrics["aix_running_sequences"] and not metrics["aix_waiting_sequences"]:
                return
            await asyncio.sleep(POLL_S)


def parse_metrics(text: str) -> dict[str, float]:
    samples = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            name, _, value = line.rpartition(" ")
            samples[name] = float(value)
    return samples


def _processes() -> list[tuple[int, str]]:
    """Process ids and command lines of this machine."""
    proc = Path("/proc")
    if (proc / "self" / "cmdline").exists():
        return [(int(p.name), _proc(p / "cmdline")) for p in proc.iterdir() if p.name.isdigit()]
    if shutil.which("ps") is None:
        return []  # Windows: one can only wait for the engine's idle time to pass
    listing = subprocess.run(["ps", "-axww", "-o", "pid=,args="], capture_output=True, text=True, check=True)
    rows = (line.strip().partition(" ") for line in listing.stdout.splitlines())
    return [(int(pid), command) for pid, _, command in rows]


def _belongs(pid: int, command: str, home: Path) -> bool:
    return str(home) in command or f"AIX_LSP_HOME={home} " in _proc(Path(f"/proc/{pid}/environ")) + " "


def _proc(path: Path) -> str:
    try:
        return path.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
    except OSError:
        return ""
