"""The dashboard for the local engine: a web server on loopback that passes on the engine's metrics."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import secrets
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from aix_lsp.engine.http.sse import error_json
from aix_lsp.serve.page import page

Figures = Callable[[], Awaitable[Any]]
"""Returns the engine's state and samples. Raises OSError if there is no engine."""


def dashboard_app(figures: Figures, token: str) -> Starlette:
    """The page, and the figures for clients that have the token."""
    wanted = f"Bearer {token}".encode()

    async def status(request: Request) -> Response:
        if not hmac.compare_digest(request.headers.get("authorization", "").encode(), wanted):
            message = "open the address that `aix-lsp dashboard` has printed"
            return JSONResponse(error_json(message, "invalid_request_error", "unauthorized"), 401)
        try:
            return JSONResponse(await figures(), headers={"cache-control": "no-store"})
        except OSError as error:
            return JSONResponse(error_json(str(error), "server_error", "away"), 503)

    return Starlette(routes=[Route("/", page), Route("/admin/status", status)])


async def serve(figures: Figures, port: int, opened: Callable[[str], None]) -> None:
    """Serve the page until interrupted; `opened` is called with its address, which contains a token. Raises OSError."""
    token = secrets.token_urlsafe(24)
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(16)
        # In the fragment, which browsers do not send.
        opened(f"http://127.0.0.1:{listener.getsockname()[1]}/#{token}")
        config = uvicorn.Config(
            dashboard_app(figures, token),
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
        )
        with contextlib.suppress(asyncio.CancelledError):
            await uvicorn.Server(config).serve(sockets=[listener])
