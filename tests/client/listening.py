"""A server on a socket to which many clients connect, each with a session of its own."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from tests.client.editor import Editor, environment

_START_S = 120.0


class Listening:
    """A server on TCP or WebSocket to which clients connect."""

    def __init__(self, process: asyncio.subprocess.Process, url: str, token: str, log: Path) -> None:
        self.process = process
        self.url = url
        self.token = token
        self._log = log

    @property
    def port(self) -> int:
        port = urlsplit(self.url).port
        assert port is not None
        return port

    async def join(self, configuration: Mapping[str, Any] | None = None) -> Editor:
        """A new TCP client, which has not sent the token yet."""
        return await Editor.connect("127.0.0.1", self.port, configuration=configuration)

    def log(self) -> str:
        """The log so far, for all clients."""
        return self._log.read_text("utf-8", "replace")


@asynccontextmanager
async def listening(transport: Literal["tcp", "ws"], home: Path, *args: str) -> AsyncIterator[Listening]:
    """Start a server; it is killed at the end if it has not exited."""
    with tempfile.NamedTemporaryFile(prefix=f"{transport}-", suffix=".log", dir=home, delete=False) as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "aix_lsp", f"--{transport}", *args),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
            env=environment(home),
        )
    try:
        assert process.stdout
        async with asyncio.timeout(_START_S):
            ready = json.loads(await process.stdout.readline())
        yield Listening(process, ready["url"], ready.get("token", ""), Path(log.name))
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
