"""The dashboard at /: one self-contained file that shows the server's metrics live. Contains no data itself."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

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
