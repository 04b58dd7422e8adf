"""The engine's HTTP interface served over the fake runner, and a client of it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import uvicorn

from aix_lsp.engine.http.api import Service, make_app
from aix_lsp.engine.http.connections import Connections, guarded
from aix_lsp.engine.metrics import EngineMetrics
from aix_lsp.engine.options import LoadedModel
from aix_lsp.engine.scheduling.schedule import StepLimits
from aix_lsp.engine.served import ServedModel
from aix_lsp.engine.state import Presence, StateBoard
from tests.engine.fakes import FakeRunner
from tests.engine.tokenizers_for_tests import embedded


class Host:
    """A fake model served on a socket, and a client session to it."""

    def __init__(self, session: aiohttp.ClientSession, service: Service, runner: FakeRunner) -> None:
        self.session = session
        self.service = service
        self.runner = runner

    @property
    def model(self) -> ServedModel:
        assert self.service.served is not None
        return self.service.served

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A bare connection."""
        assert isinstance(self.session.connector, aiohttp.UnixConnector)
        return await asyncio.open_unix_connection(self.session.connector.path)

    async def post(self, **body: Any) -> tuple[int, dict[str, Any]]:
        async with self.session.post("/v1/completions", json=body) as response:
            return response.status, await response.json()

    async def stream(self, **body: Any) -> list[Any]:
        async with self.session.post("/v1/completions", json={**body, "stream": True}) as response:
            assert response.status == 200 and "text/event-stream" in response.headers["content-type"]
            lines = [line.decode().strip() async for line in response.content]
        assert lines[-2] == "data: [DONE]"
        return [json.loads(line.removeprefix("data: ")) for line in lines[:-2] if line]


def load(service: Service, runner: FakeRunner, limits: StepLimits | None) -> None:
    """Give the service the fake model, started."""
    model = LoadedModel(runner, embedded(), "embedded", "cpu", "float32", 2048, frozenset({0}))
    service.served = ServedModel(model, metrics=service.metrics, limits=limits)
    service.served.engine.start()
    service.board.publish({"state": "ready"})


@contextlib.asynccontextmanager
async def serving(
    loaded: bool = True,
    token: str = "",
    headers: dict[str, str] | None = None,
    limits: StepLimits | None = None,
    hosts: frozenset[str] = frozenset(),
    connections: Connections | None = None,
) -> AsyncIterator[Host]:
    runner = FakeRunner(pages=600, page_size=16, vocab=8192, context=2048)
    service = Service(StateBoard({"state": "loading", "fraction": 0.0}), Presence(), EngineMetrics())
    if loaded:
        load(service, runner, limits)
    connections = connections or Connections()
    config = uvicorn.Config(
        make_app(service, token, hosts),
        http=guarded(connections),
        lifespan="off",
        log_config=None,
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    with tempfile.TemporaryDirectory(prefix="aix-") as folder:
        path = str(Path(folder) / "s")
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path)
            listener.listen()
            running = asyncio.create_task(server.serve(sockets=[listener]))
            watching = asyncio.create_task(connections.watch())
            connector = aiohttp.UnixConnector(path)
            async with aiohttp.ClientSession("http://aix", connector=connector, headers=headers) as session:
                try:
                    yield Host(session, service, runner)
                finally:
                    service.board.close()
                    if service.served:
                        service.served.engine.stop()
                    server.should_exit = True
                    await running
                    watching.cancel()
