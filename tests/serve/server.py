"""A team server as an operator starts it, with the tests' model, and the actions of its users and operator."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import signal
import ssl
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp

from aix_lsp.serve.users import add
from tests.client.editor import environment
from tests.models.prepared import keep_prepared, take_prepared

ADMIN = "0123456789abcdef"


class Server:
    """One running `aix-lsp serve`."""

    def __init__(
        self, process: asyncio.subprocess.Process, home: Path, url: str, tls: ssl.SSLContext | bool
    ) -> None:
        self.process = process
        self.home = home
        self.url = url
        self.tls = tls

    def token(self, name: str, user_class: str = "default") -> str:
        return add(self.users, name, user_class)

    @property
    def users(self) -> Path:
        return self.home / "users.json"

    def session(self, token: str = "") -> aiohttp.ClientSession:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        return aiohttp.ClientSession(self.url, headers=headers, connector=aiohttp.TCPConnector(ssl=self.tls))

    async def status(self, path: str, token: str = "") -> int:
        async with self.session(token) as session, session.get(path) as answer:
            return answer.status

    async def known(self, token: str, status: int = 200) -> None:
        """Wait until requests with a token get this status."""
        async with asyncio.timeout(60):
            while await self.status("/v1/models", token) != status:
                await asyncio.sleep(0.05)

    async def worker(self) -> int:
        """The pid of the serving process; waits until there is one."""
        async with asyncio.timeout(120), self.session() as session:
            while True:
                with contextlib.suppress(aiohttp.ClientError):
                    async with session.get("/health") as answer:
                        if answer.status == 200:
                            return int((await answer.json())["pid"])
                await asyncio.sleep(0.05)

    def told(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    async def ended(self) -> int:
        return await asyncio.wait_for(self.process.wait(), 60)


async def ask(session: aiohttp.ClientSession, **body: Any) -> tuple[int, dict[str, Any], Any]:
    """(status, answer, headers) of a completion."""
    fields = {"prompt": "def f(x):\n    return ", "max_tokens": 4, **body}
    async with session.post("/v1/completions", json=fields) as answer:
        return answer.status, await answer.json(), answer.headers


def arguments(home: Path, *more: str, command: str = "serve") -> list[str]:
    (home / "admin").write_text(ADMIN)
    given = (
        "--users",
        str(home / "users.json"),
        "--usage",
        str(home / "usage.sqlite"),
        "--threads",
        "1",
        "--port",
        "0",
    )
    return [
        *(sys.executable, "-m", "aix_lsp", command, *given, "--admin-token-file", str(home / "admin")),
        *("--kv-memory-mb", "32", *more),
    ]


@contextlib.asynccontextmanager
async def serving(
    *more: str,
    tls: ssl.SSLContext | bool = True,
    home: Path | None = None,
    command: str = "serve",
    within: float = 120,
) -> AsyncIterator[Server]:
    """Start a server and wait until it serves; `command` is "serve" or "cluster"."""
    folder = home or Path(tempfile.mkdtemp(prefix="aix-serve-"))
    take_prepared(folder)
    process = await asyncio.create_subprocess_exec(
        *arguments(folder, *more, command=command),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment(folder),
    )
    assert process.stdout and process.stderr
    log = asyncio.create_task(process.stderr.read())
    try:
        line = await asyncio.wait_for(process.stdout.readline(), within)
        assert line, (await log).decode()
        yield Server(process, folder, str(json.loads(line)["url"]), tls)
    finally:
        if process.returncode is None:
            process.terminate()
            process.terminate()
            await process.wait()
        await log
        keep_prepared(folder)
        shutil.rmtree(folder, ignore_errors=True)
