"""Real replicas for simulated typists: `aix-lsp serve` processes with one thread each, and ways to reach them."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import shutil
import signal
import socket
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from aix_lsp.backends.base import Delta, GenerateRequest, Usage
from aix_lsp.backends.launch import connect
from aix_lsp.backends.openai import OpenAIBackend
from aix_lsp.serve.users import add
from aix_lsp.settings.table import Settings
from tests.client.engine_watch import parse_metrics
from tests.serve.server import ADMIN, Server, serving

Reach = Literal["affinity", "round robin"]
_READY_S = 120.0


@dataclass
class Replica:
    """An `aix-lsp serve` that can be killed, drained and restarted on the same port."""

    port: int
    arguments: tuple[str, ...]
    server: Server | None = None
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Start it and wait until it serves."""
        given = ("--port", str(self.port), *self.arguments)
        self.server = await self._stack.enter_async_context(serving(*given))

    async def stop(self) -> None:
        """End it, whatever its state."""
        await self._stack.aclose()
        self.server = None

    async def kill_worker(self) -> None:
        """Kill the process with the model, as an out-of-memory killer does."""
        assert self.server is not None
        os.kill(await self.server.worker(), signal.SIGKILL)

    async def drain(self) -> int:
        """Send SIGTERM; returns the exit status."""
        assert self.server is not None
        self.server.told(signal.SIGTERM)
        return await self.server.ended()

    async def hand_over(self) -> None:
        """Perform a rolling restart (SIGHUP), and wait for it."""
        assert self.server is not None
        before = await self.server.worker()
        self.server.told(signal.SIGHUP)
        async with asyncio.timeout(_READY_S):
            while await self.server.worker() == before or _alive(before):
                await asyncio.sleep(0.05)

    async def metrics(self) -> dict[str, float]:
        assert self.server is not None
        async with self.server.session(ADMIN) as session, session.get("/metrics") as answer:
            return parse_metrics(await answer.text())


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


class RoundRobin:
    """The contrast to affinity: each request goes to the next replica, wherever its prefix is cached."""

    def __init__(self, servers: Sequence[OpenAIBackend], turn: itertools.count[int]) -> None:
        self._servers = servers
        self._turn = turn

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Delta | Usage]:
        """See Backend.generate."""
        server = self._servers[next(self._turn) % len(self._servers)]
        async with aclosing(server.generate(request)) as events:
            async for event in events:
                yield event


class Team:
    """Users with tokens, the replicas that serve them, and backends to reach them."""

    def __init__(self, folder: Path, engine: Sequence[str]) -> None:
        """`engine` are further arguments of each replica."""
        self.users = folder / "users.json"
        self.replicas: list[Replica] = []
        self._engine = tuple(engine)
        self._tokens: dict[str, str] = {}
        self._turn = itertools.count()
        self._backends: list[Any] = []

    async def grow(self, count: int) -> None:
        """Start replicas until there are `count`."""
        while len(self.replicas) < count:
            with socket.create_server(("127.0.0.1", 0)) as free:
                port = free.getsockname()[1]
            replica = Replica(port, ("--users", str(self.users), *self._engine))
            self.replicas.append(replica)
            await replica.start()

    def token(self, name: str, user_class: str = "default") -> str:
        """The user's token; adds the user."""
        if name not in self._tokens:
            self._tokens[name] = add(self.users, name, user_class)
        return self._tokens[name]

    def define(self, user_class: str, **quotas: float) -> None:
        """Add a class with its quotas to the users file."""
        content = json.loads(self.users.read_text()) if self.users.exists() else {}
        content.setdefault("classes", {})[user_class] = quotas
        self.users.write_text(json.dumps(content))

    async def known(self, name: str) -> None:
        """Wait until every replica accepts the user's token."""
        for replica in self.replicas:
            assert replica.server is not None
            await replica.server.known(self._tokens[name])

    async def backend(self, name: str, urls: Sequence[str], reach: Reach = "affinity") -> Any:
        """A backend like that in a user's editor, once it is ready."""
        token = self.token(name)
        if reach == "affinity":
            [backend] = await self.connected([Settings(url=list(urls), api_key=token)])
            return backend
        return RoundRobin(await self.connected(Settings(url=url, api_key=token) for url in urls), self._turn)

    async def connected(self, settings: Iterable[Settings]) -> list[Any]:
        """A backend for each of these settings, once it is ready."""
        backends: list[Any] = [connect(given) for given in settings]
        self._backends += backends
        async with asyncio.timeout(_READY_S):
            for backend in backends:
                while backend.status.state != "ready":
                    await asyncio.sleep(0.02)
        return backends

    async def leave(self) -> None:
        """Close the backends."""
        backends, self._backends = self._backends, []
        await asyncio.gather(*(backend.close() for backend in backends))

    async def close(self) -> None:
        """End everything."""
        await self.leave()
        for replica in self.replicas:
            with contextlib.suppress(ProcessLookupError):
                await replica.stop()


@asynccontextmanager
async def team(replicas: int, engine: Sequence[str]) -> AsyncIterator[Team]:
    """Replicas that end with the context."""
    folder = Path(tempfile.mkdtemp(prefix="aix-team-"))
    found = Team(folder, engine)
    try:
        await found.grow(replicas)
        yield found
    finally:
        await found.close()
        shutil.rmtree(folder, ignore_errors=True)
