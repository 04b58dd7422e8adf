"""llama.cpp's server as a baseline: runs the same weights, and is used through /infill as by its editor plugins."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import aiohttp

from aix_lsp.fim.prompt import FimPrompt

HOW_TO_BUILD = "see docs/benchmarks.md for how to build llama-server, and pass --llama-server PATH"


@dataclass(frozen=True)
class BaselineAnswer:
    """One answer of a baseline. Times are in milliseconds since the request was sent."""

    first_ms: float | None
    """Time to the first text; None if there was none."""
    line_ms: float | None
    """Time until the first line was complete: at a line break, or at the end."""
    final_ms: float
    text: str
    computed: int
    """Prompt tokens that had to be computed."""
    reused: int
    generated: int


class LlamaServer:
    """A running llama-server. Use as an async context manager."""

    def __init__(
        self, binary: Path, weights: Path, *, spm: bool, slots: int, threads: int, context: int
    ) -> None:
        self.name = "llama.cpp --spm-infill" if spm else "llama.cpp"
        self._port = free_port()
        options: dict[str, Any] = {
            "-m": weights,
            "--host": "127.0.0.1",
            "--port": self._port,
            "-t": threads,
            "-np": slots,
            "-c": context * slots,
            "-b": context,  # /infill uses three quarters of it for the prefix, a quarter for the suffix
        }
        flags = ["--cont-batching", "--cache-prompt", "--no-webui", *(["--spm-infill"] if spm else [])]
        self._command = [str(binary), *(str(part) for item in options.items() for part in item), *flags]
        self._process: asyncio.subprocess.Process | None = None
        self._log: deque[str] = deque(maxlen=40)
        self._reading: asyncio.Task[None] | None = None
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        self._reading = asyncio.create_task(self._read_log())
        # It closes its connections between streamed answers without notice: use a new one each time.
        connector = aiohttp.TCPConnector(force_close=True)
        self._session = aiohttp.ClientSession(f"http://127.0.0.1:{self._port}", connector=connector)
        try:
            await self._wait_until_healthy()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session:
            await self._session.close()
        if self._process and self._process.returncode is None:
            self._process.terminate()
            await self._process.wait()
        if self._reading:
            await self._reading

    @property
    def pid(self) -> int:
        assert self._process
        return self._process.pid

    async def infill(self, prompt: FimPrompt, max_tokens: int, *, one_line: bool = False) -> BaselineAnswer:
        """Complete as llama.vim does: the lines above, the line's head, and what follows; greedy, streamed.

        With `one_line`, the stream is closed after the first line, as by a client that wants no more.
        """
        body = infill_body(prompt, max_tokens)
        sent = time.perf_counter()
        first = line = None
        text, last = "", {}
        async for event in self._stream("/infill", body):
            now = (time.perf_counter() - sent) * 1000
            text, last = text + event.get("content", ""), event
            if text and first is None:
                first = now
            if line is None and first is not None and ("\n" in text or event.get("stop")):
                line = now
                if one_line:
                    break
        timings = last.get("timings", {})
        return BaselineAnswer(
            first,
            line,
            (time.perf_counter() - sent) * 1000,
            text,
            computed=timings.get("prompt_n", 0),
            reused=timings.get("cache_n", 0),
            generated=timings.get("predicted_n", 0),
        )

    async def suggest(self, client: int, prompt: FimPrompt, max_tokens: int) -> int:
        """Generate exactly `max_tokens` in the client's own slot; returns how many were generated."""
        assert self._session
        body = infill_body(prompt, max_tokens) | {"stream": False, "ignore_eos": True, "id_slot": client}
        async with self._session.post("/infill", json=body) as answer:
            answer.raise_for_status()
            return int((await answer.json())["tokens_predicted"])

    async def _stream(self, path: str, body: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
        assert self._session
        async with self._session.post(path, json=body) as answer:
            if answer.status != 200:
                raise RuntimeError(f"llama-server: {await answer.text()}")
            async for line in answer.content:
                if line.startswith(b"data: "):
                    yield json.loads(line[6:])

    async def _wait_until_healthy(self, within: float = 120.0) -> None:
        assert self._process and self._session
        async with asyncio.timeout(within):
            while self._process.returncode is None:
                try:
                    async with self._session.get("/health") as answer:
                        if answer.status == 200:
                            return
                except aiohttp.ClientError:
                    pass
                await asyncio.sleep(0.05)
        raise RuntimeError("llama-server did not start:\n" + "\n".join(self._log))

    async def _read_log(self) -> None:
        assert self._process and self._process.stderr
        async for line in self._process.stderr:
            self._log.append(line.decode("utf-8", "replace").rstrip())


def infill_body(prompt: FimPrompt, max_tokens: int) -> dict[str, Any]:
    before = prompt.prefix + prompt.middle
    lines, _, head = before.rpartition("\n")
    return {
        "input_prefix": lines + "\n" if lines or before.startswith("\n") else "",
        "prompt": head,
        "input_suffix": prompt.suffix,
        "n_predict": max_tokens,
        "temperature": 0,
        "cache_prompt": True,
        "stream": True,
        "timings_per_token": True,
    }


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
