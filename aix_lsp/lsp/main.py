"""Runs the language server until its client, or the person who started it, ends it."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from typing import TYPE_CHECKING

from aix_lsp.lsp.engines import EnginePool, LiveBackend
from aix_lsp.lsp.options import ServeOptions
from aix_lsp.lsp.session import Parts
from aix_lsp.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from aix_lsp.backends.base import Backend
    from aix_lsp.completion.service import CompletionService

logger = logging.getLogger(__name__)


class UnsafeAddress(ValueError):
    """The server would be open to other machines without a token."""


def run(options: ServeOptions) -> int:
    """Serve as `options` say; gives the exit status."""
    if options.transport == "stdio":
        from aix_lsp.lsp import stdio

        channel = stdio.claim_stdout()
        return asyncio.run(_serve_stdio(options, channel))
    raise NotImplementedError


async def _serve_stdio(options: ServeOptions, channel: int) -> int:
    from aix_lsp.lsp import stdio

    parts = default_parts(options)
    try:
        return await stdio.serve(parts, channel)
    finally:
        await parts.pool.close()


def default_parts(options: ServeOptions) -> Parts:
    """The real backends and completion service, imported when the first session has been answered."""
    return Parts(options, EnginePool(_connect), _make_service, _warm_up)


def _warm_up() -> None:
    import aix_lsp.backends.launch
    import aix_lsp.completion.service  # noqa: F401


def _connect(settings: Settings) -> LiveBackend:
    from aix_lsp.backends.launch import connect

    return connect(settings)


def _make_service(backend: Backend, settings: Callable[[str], Settings]) -> CompletionService:
    from aix_lsp.completion.service import CompletionService

    return CompletionService(backend, settings)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
