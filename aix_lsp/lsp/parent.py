"""Notices when another process ends, so that the server exits if its editor crashes."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Awaitable

logger = logging.getLogger(__name__)

POLL_S = 2.0
"""How often to check, on systems that cannot notify us."""


def end_of(pid: int) -> Awaitable[None]:
    """Watch a process from now on; the returned awaitable completes when it ends.

    It never completes for a process that is not visible now: the id of an editor outside our container means nothing
    here, and that editor closes its end of the connection anyway.
    """
    if not _is_alive(pid):
        logger.info("process %d is not visible from here; its exit will not be noticed", pid)
        return asyncio.get_running_loop().create_future()
    return _until_end(pid, _process_descriptor(pid))


async def _until_end(pid: int, descriptor: int | None) -> None:
    if descriptor is None:
        while _is_alive(pid):  # noqa: ASYNC110 - there is nothing else to wait for
            await asyncio.sleep(POLL_S)
    else:
        await _until_readable(descriptor)
    logger.info("process %d has ended", pid)


def _process_descriptor(pid: int) -> int | None:
    """A file descriptor that becomes readable at the process's end (Linux); it also rules out a reused id."""
    opening = getattr(os, "pidfd_open", None)
    try:
        return None if opening is None else int(opening(pid))
    except OSError:
        return None


async def _until_readable(descriptor: int) -> None:
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(descriptor, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


def _is_alive(pid: int) -> bool:
    if sys.platform == "win32":
        import psutil

        return bool(psutil.pid_exists(pid))
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True  # it exists, and belongs to somebody else
    return True
