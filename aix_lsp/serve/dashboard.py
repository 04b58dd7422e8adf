"""The dashboard, a self-contained page that shows a server's metrics live; and a web server with the local engine's."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import secrets
import socket
from collections.abc import Awaitable, Callable
from functools import cache
from importlib.resources import files
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from aix_lsp.engine.http.sse import error_json

Figures = Callable[[], Awaitable[Any]]
"""Returns the engine's state and samples. Raises OSError if there is no engine."""
_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


@cache
def _content() -> str:
    return files("aix_lsp.serve").joinpath("page.html").read_text("utf-8")


async def page(request: Request) -> Response:
    """GET /. The page asks for the administrator's token, and keeps it for the browser tab only."""
    headers = {
        "content-security-policy": _POLICY,
        "cache-control": "no-store",
        "referrer-policy": "no-referrer",
    }
    return HTMLResponse(_content(), headers=headers)


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
