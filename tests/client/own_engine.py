"""Starts an engine process for a test or benchmark, and speaks with it over its HTTP interface as any client would."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from tests.client.editor import environment
from tests.client.engine_watch import parse_metrics
from tests.models.prepared import keep_prepared, take_prepared


class OwnEngine:
    """A running engine. Use `own_engine` to get one."""

    def __init__(self, process: asyncio.subprocess.Process, session: aiohttp.ClientSession, url: str) -> None:
        self.process = process
        self.url = url
        self.session = session

    @asynccontextmanager
    async def completion(self, body: Mapping[str, Any]) -> AsyncIterator[AsyncIterator[dict[str, Any]]]:
        """The events of a streamed completion; leaving the context closes the stream, which cancels."""
        async with await post(self.session, {**body, "stream": True}) as answer:
            if answer.status != 200:
                raise RuntimeError(f"{answer.status}: {await answer.text()}")
            yield events(answer)

    async def whole(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """The whole answer, not streamed. Raises RuntimeError if there is none."""
        async with await post(self.session, body) as answer:
            if answer.status != 200:
                raise RuntimeError(f"{answer.status}: {await answer.text()}")
            return dict(await answer.json())

    async def metrics(self) -> dict[str, float]:
        async with self.session.get("/metrics") as answer:
            return parse_metrics(await answer.text())

    async def settled(self, within: float = 60) -> dict[str, float]:
        """The metrics when nothing runs or waits any more. Raises TimeoutError."""
        async with asyncio.timeout(within):
            while True:
                metrics = await self.metrics()
                if not metrics["aix_running_sequences"] and not metrics["aix_waiting_sequences"]:
                    return metrics
                await asyncio.sleep(0.05)

    def memory_mib(self) -> float:
        """Resident memory of the process on Linux; NaN elsewhere."""
        status = Path(f"/proc/{self.process.pid}/status")
        if not status.exists():
            return float("nan")
        [line] = [line for line in status.read_text().splitlines() if line.startswith("VmRSS")]
        return int(line.split()[1]) / 1024


async def post(session: aiohttp.ClientSession, body: Mapping[str, Any]) -> aiohttp.ClientResponse:
    """Request a completion."""
    try:
        return await session.post("/v1/completions", json=body)
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError):
        # A kept-alive connection was being closed at that moment; nothing of the request was received.
        return await session.post("/v1/completions", json=body)


async def events(answer: aiohttp.ClientResponse) -> AsyncIterator[dict[str, Any]]:
    """The events of a stream; `{"done": True}` stands for its last line."""
    async for line in answer.content:
        if line == b"data: [DONE]\n":
            yield {"done": True}
        elif line.startswith(b"data: "):
            yield json.loads(line[6:])


@asynccontextmanager
async def own_engine(*args: str, prepared: bool = False, within: float = 180.0) -> AsyncIterator[OwnEngine]:
    """Start an engine and wait until it serves; it is stopped at the end of the context.

    `prepared`: it uses what earlier engines have measured (see tests/models/prepared.py). Raises RuntimeError with its
    log if it does not start.
    """
    with tempfile.TemporaryDirectory(prefix="aix-engine-") as folder:
        home = Path(folder)
        if prepared:
            take_prepared(home)
        log = home / "engine.log"
        listen = ("--uds", str(home / "e.sock")) if sys.platform != "win32" else ("--host", "127.0.0.1")
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "aix_lsp", "engine", *listen, "--log-file", str(log), *args),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            env=environment(home),
        )
        try:
            assert process.stdout
            async with asyncio.timeout(within):
                ready = await process.stdout.readline()
            if not ready:
                raise RuntimeError(f"the engine did not start:\n{log.read_text() if log.exists() else ''}")
            url = str(json.loads(ready)["url"])
            async with session_for(url) as session:
                yield OwnEngine(process, session, url)
        finally:
            if process.returncode is None:
                process.terminate()
                await process.wait()
            if prepared:
                keep_prepared(home)


def session_for(url: str) -> aiohttp.ClientSession:
    """An HTTP session with an engine's address: a Unix socket or a TCP one."""
    if url.startswith("unix:"):
        connector = aiohttp.UnixConnector(url.removeprefix("unix:"), limit=0)
        return aiohttp.ClientSession("http://engine", connector=connector)
    return aiohttp.ClientSession(url, connector=aiohttp.TCPConnector(limit=0))


def completion_body(prefix: str, suffix: str, max_tokens: int, **extension: Any) -> dict[str, Any]:
    """A request in the engine's own form; `extension` is the `aix` object."""
    return {"prompt": prefix, "suffix": suffix, "max_tokens": max_tokens, "temperature": 0, "aix": extension}


def ends(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, int]:
    """How many requests ended in which way between two readings of the metrics."""
    name = 'aix_requests_total{end="'
    return {
        key.removeprefix(name).removesuffix('"}'): int(value - before.get(key, 0))
        for key, value in after.items()
        if key.startswith(name)
    }


def texts(pieces: Sequence[Mapping[str, Any]]) -> str:
    """The joined text of a stream's events."""
    return "".join(choice["text"] for event in pieces for choice in event.get("choices", ()))
