"""Runs the language server until its client or its parent process has ended, or a signal arrives."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aix_lsp.lsp.connections import ConnectionRegistry
from aix_lsp.lsp.options import LspOptions, is_loopback
from aix_lsp.lsp.parent import end_of
from aix_lsp.lsp.services import EnginePool
from aix_lsp.lsp.session import Dependencies
from aix_lsp.settings import Settings

if TYPE_CHECKING:
    from aix_lsp.backends.base import Backend
    from aix_lsp.backends.status import WatchedBackend
    from aix_lsp.completion.service import CompletionService

logger = logging.getLogger(__name__)

_USAGE = 2
"""The exit status for a command line that cannot be served."""
_MALLOC = {
    "M_TRIM_THRESHOLD": (-1, 1 << 20),
    "M_MMAP_THRESHOLD": (-3, 256 << 10),
    "M_ARENA_MAX": (-8, 1),
}
"""Parameters of mallopt(3). One arena is enough: Python's lock lets only one thread allocate at a time anyway."""


def give_memory_back() -> None:
    """Have the C library (glibc) return freed memory to the system.

    Files are read on threads, each with its own allocation arena, in which a few small live blocks keep whole megabytes
    from being returned: with 30 MiB in use, the process took 250 MiB.
    """
    if sys.platform != "linux":
        return
    import ctypes

    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for parameter, value in _MALLOC.values():
            mallopt(parameter, value)


def run(options: LspOptions) -> int:
    """Run the server; returns the exit status."""
    give_memory_back()
    if options.transport == "stdio":
        from aix_lsp.lsp import stdio

        return asyncio.run(_serve_stdio(options, stdio.claim_stdout()))
    if not options.token and not is_loopback(options.host):
        logger.error(
            "%s is reachable from other machines, so clients must present a token: "
            "pass a file with --token-file, or set AIX_LSP_TOKEN.",
            options.host,
        )
        return _USAGE
    return asyncio.run(_serve_sockets(options))


async def _serve_stdio(options: LspOptions, channel: int) -> int:
    from aix_lsp.lsp import stdio

    dependencies = default_dependencies(options)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(dependencies.pool.close)
        return await stdio.serve(dependencies, channel, lambda end: _end_with(stack, options, end))


async def _serve_sockets(options: LspOptions) -> int:
    if options.transport == "tcp":
        from aix_lsp.lsp.tcp import listening
    else:
        from aix_lsp.lsp.websocket import listening

    dependencies, registry, ended = default_dependencies(options), ConnectionRegistry(), asyncio.Event()
    async with AsyncExitStack() as stack:
        stack.push_async_callback(dependencies.pool.close)
        _end_with(stack, options, ended.set)
        try:
            url = await stack.enter_async_context(listening(dependencies, registry))
        except OSError as error:
            logger.error(
                "cannot listen on %s:%d (%s); choose another --port", options.host, options.port, error
            )
            return 1
        stack.push_async_callback(registry.close)
        sys.stdout.write(json.dumps(_ready(options, url)) + "\n")
        sys.stdout.flush()
        await ended.wait()
    return 0


def _ready(options: LspOptions, url: str) -> dict[str, Any]:
    """The message that tells whoever started the server its address."""
    return {"ready": True, "url": url} | ({"token": options.token} if options.announce_token else {})


def _end_with(stack: AsyncExitStack, options: LspOptions, end: Callable[[], None]) -> None:
    """Call `end` when the parent process ends or a signal arrives, until the stack is closed."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        with suppress(NotImplementedError):  # on Windows, a signal ends the process anyway
            loop.add_signal_handler(number, end)
            stack.callback(loop.remove_signal_handler, number)
    if options.parent_pid is not None:
        watching = asyncio.ensure_future(end_of(options.parent_pid))
        watching.add_done_callback(lambda task: None if task.cancelled() else end())
        stack.callback(watching.cancel)


def default_dependencies(options: LspOptions) -> Dependencies:
    """The real backends and completion service, imported after the first session's `initialize` has been answered."""
    return Dependencies(options, EnginePool(_connect), _make_service, _warm_up)


@cache
def _warm_up() -> None:
    """Import the code of sessions and freeze it; once per process, since later this would also freeze sessions."""
    import aix_lsp.backends.launch
    import aix_lsp.completion.service  # noqa: F401

    # Modules stay for good. Without this, each full collection would traverse LSP's hundreds of types again and
    # interrupt a typing user for tens of milliseconds.
    gc.freeze()


def _connect(settings: Settings) -> WatchedBackend:
    from aix_lsp.backends.launch import connect

    return connect(settings)


def _make_service(
    backend: Backend, settings: Callable[[str], Settings], roots: Callable[[], Sequence[Path]]
) -> CompletionService:
    from aix_lsp.completion.service import CompletionService

    return CompletionService(backend, settings, roots)
