"""The engine's HTTP interface as an ASGI app; docs/engine-api.md specifies it. Knows no tokens."""

from __future__ import annotations

import asyncio
import hmac
import time
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from aix_lsp.engine.http.body import BodyBudget
from aix_lsp.engine.http.completions import Completions
from aix_lsp.engine.http.corpus import CorpusTexts
from aix_lsp.engine.http.sse import BEAT, frame, send_error, send_events
from aix_lsp.engine.metrics import EngineMetrics
from aix_lsp.engine.served import ServedModel
from aix_lsp.engine.state import Presence, StateBoard

_BEAT_S = 15.0
_OBSERVING = ("/health", "/metrics", "/aix/status")
"""Requests for these only observe, and do not keep the engine from exiting when idle."""
MOST_EVENTS = 384
"""Simultaneous streams of the state: of the 512 connections, some are left for requests."""
STUCK_S = 20.0
"""Seconds after which /health reports the step in flight as stuck."""


class Service:
    """What the app serves: the state, and the model once it is loaded."""

    def __init__(self, board: StateBoard, presence: Presence, metrics: EngineMetrics) -> None:
        self.board = board
        self.presence = presence
        self.metrics = metrics
        self.bodies = BodyBudget()
        self.started = time.time()
        self.served: ServedModel | None = None

    async def health(self, request: Request) -> Response:
        """GET /health."""
        state = self.board.current
        seconds = self.served.engine.step_in_flight()[1] if self.served else 0.0
        if seconds > STUCK_S:
            message = f"one step has been running for {seconds:.0f} s"
            return JSONResponse({"state": "error", "message": message, "stuck_s": seconds}, 503)
        return JSONResponse(state, 200 if state["state"] == "ready" else 503)

    async def models(self, request: Request) -> Response:
        """GET /v1/models."""
        data = []
        if self.served:
            card = self.served.card
            data = [{"id": card.name, "object": "model", "owned_by": "aix-lsp", "aix": card.json()}]
        return JSONResponse({"object": "list", "data": data})

    def figures_json(self) -> dict[str, Any]:
        """The state and the samples of all metrics, [labels, value] by name, for the dashboard."""
        metrics = self.served.engine.read_metrics() if self.served else self.metrics
        samples: dict[str, list[Any]] = {}
        for family in metrics.registry.collect():
            for sample in family.samples:
                samples.setdefault(sample.name, []).append([dict(sample.labels), sample.value])
        return {
            "time": time.time(),
            "started": self.started,
            "state": dict(self.board.current),
            "samples": samples,
        }

    async def status(self, request: Request) -> Response:
        """GET /aix/status."""
        return JSONResponse(self.figures_json(), headers={"cache-control": "no-store"})

    async def figures(self, request: Request) -> Response:
        """GET /metrics."""
        metrics = self.served.engine.read_metrics() if self.served else self.metrics
        return Response(metrics.text(), media_type="text/plain; version=0.0.4")


class _Events:
    """GET /aix/events: the state and its changes, as long as the client stays connected."""

    def __init__(self, board: StateBoard) -> None:
        self._board = board
        self._watching = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._watching >= MOST_EVENTS:
            await send_error(
                send, 429, "too many clients watch this engine's state", "busy", {"retry-after": "5"}
            )
            return
        left = asyncio.Event()
        self._watching += 1
        try:
            await send_events(self._frames(left), left.set, receive, send)
        finally:
            self._watching -= 1

    async def _frames(self, left: asyncio.Event) -> AsyncIterator[bytes]:
        states = self._board.watch(_BEAT_S)
        leaving = asyncio.create_task(left.wait())
        try:
            while True:
                coming = asyncio.ensure_future(anext(states, ...))
                await asyncio.wait((coming, leaving), return_when=asyncio.FIRST_COMPLETED)
                if not coming.done():
                    coming.cancel()
                    return
                state = coming.result()
                if state is ...:
                    return
                yield BEAT if state is None else frame(state)
        finally:
            leaving.cancel()


class AuthMiddleware:
    """Checks who may connect, and counts who is connected.

    Without a token, an engine on a loopback address answers only requests to `hosts`: a web page can make its own
    domain name resolve to that address (DNS rebinding), but its requests then carry that name.
    """

    def __init__(
        self, app: ASGIApp, presence: Presence, token: str = "", hosts: frozenset[str] = frozenset()
    ) -> None:
        self._app = app
        self._presence = presence
        self._token = f"Bearer {token}".encode() if token else b""
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        if self._token:
            if not hmac.compare_digest(headers.get(b"authorization", b""), self._token):
                message = "this engine requires Authorization: Bearer with the content of its --token-file"
                await send_error(send, 401, message, "unauthorized")
                return
        elif b"origin" in headers:
            # Any web page can send requests to the loopback address of its visitors.
            await send_error(send, 403, "web pages may only use an engine that requires a token", "forbidden")
            return
        elif self._hosts and _host(headers) not in self._hosts:
            message = f"the Host header must name this engine's address: {', '.join(sorted(self._hosts))}"
            await send_error(send, 403, message, "forbidden")
            return
        if scope["path"] in _OBSERVING:
            await self._app(scope, receive, send)
        else:
            with self._presence.here():
                await self._app(scope, receive, send)


def _host(headers: Mapping[bytes, bytes]) -> str:
    """The host in the Host header, without the port."""
    host = headers.get(b"host", b"").decode("latin-1").lower()
    return host[: host.find("]") + 1] if host.startswith("[") else host.partition(":")[0]


def make_routes(service: Service) -> list[Route]:
    """The interface's routes, for apps that add access control."""
    endpoint: Callable[[], ServedModel | None] = lambda: service.served  # noqa: E731
    return [
        Route("/v1/completions", Completions(endpoint, service.bodies), methods=["POST"]),
        Route("/aix/corpus", CorpusTexts(endpoint, service.bodies), methods=["POST"]),
        Route("/v1/models", service.models),
        Route("/aix/events", _Events(service.board)),
        Route("/aix/status", service.status),
        Route("/health", service.health),
        Route("/metrics", service.figures),
    ]


def make_app(service: Service, token: str = "", hosts: frozenset[str] = frozenset()) -> ASGIApp:
    """The app for `service`. With a token, every request must carry it; without, its Host must be one of `hosts`,
    unless `hosts` is empty.
    """
    return AuthMiddleware(Starlette(routes=make_routes(service)), service.presence, token, hosts)
