"""Holds the team server's listening socket and keeps a worker behind it: starts, restarts, hands over.

SIGHUP starts a second worker, and ends the first once the second serves. Both accept from one socket, so no connection
is refused meanwhile. SIGTERM drains. A worker that dies is restarted, after ever longer pauses.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import asdict
from typing import Any

from msgspec.json import encode
from msgspec.structs import replace

from aix_lsp import processes
from aix_lsp.engine.http.listener import CannotListen, open_socket
from aix_lsp.engine.options import EngineOptions, Listen
from aix_lsp.serve.worker import HAND_OVER, Job, ServeError, ServeOptions, check

log = logging.getLogger(__name__)

_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 30.0
_STEADY_S = 60.0
"""After a worker that lived this long, the pause is the shortest again."""


def run(serve: ServeOptions, engine: EngineOptions) -> int:
    """Serve until told to stop; returns the exit status. Problems are logged in one line."""
    try:
        check(serve)
        listener, url = open_socket(Listen(host=serve.host, port=serve.port), owned=False)
    except (ServeError, CannotListen) as error:
        log.error("%s", error)
        return 1
    if serve.tls_certificate:
        url = url.replace("http:", "https:", 1)
    with listener:
        os.set_inheritable(listener.fileno(), True)
        job = Job(serve, asdict(engine), listener.fileno(), url)
        return asyncio.run(Supervisor(job, listener).run())


class Worker:
    """One worker's process."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.started = time.monotonic()
        self.ready: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        """Its ready line; cancelled if the worker ends before it is ready."""
        self.ended = asyncio.create_task(self._follow())
        """Its exit status."""

    async def _follow(self) -> int:
        assert self.process.stdout is not None
        reader = asyncio.StreamReader()
        protocol = asyncio.StreamReaderProtocol(reader)
        await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, self.process.stdout)
        while line := await reader.readline():
            with contextlib.suppress(ValueError):
                if not self.ready.done():
                    self.ready.set_result(json.loads(line))
        status = await asyncio.to_thread(self.process.wait)
        self.ready.cancel()
        return status

    def send(self, number: int) -> None:
        """Send a signal, unless the worker has ended."""
        if self.process.poll() is None:
            self.process.send_signal(number)


class Supervisor:
    """The workers behind one socket."""

    def __init__(self, job: Job, listener: socket.socket) -> None:
        self._job = job
        self._descriptor = listener.fileno()
        self._leaving: set[asyncio.Task[int]] = set()
        self._pause = _FIRST_PAUSE_S

    async def run(self) -> int:
        """Serve until told to stop; returns the exit status."""
        loop = asyncio.get_running_loop()
        stop, reload = asyncio.Event(), asyncio.Event()

        def stopping() -> None:
            if stop.is_set():
                self._current.send(signal.SIGTERM)
            stop.set()

        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopping)
        loop.add_signal_handler(signal.SIGHUP, reload.set)
        self._current = await self._start()
        if not await self._announced(stop) and not stop.is_set():
            return await self._current.ended
        while (status := await self._next(stop, reload)) is None:
            pass
        return status

    async def _next(self, stop: asyncio.Event, reload: asyncio.Event) -> int | None:
        """Wait for the next event and act on it; returns the exit status if that was the end."""
        waits = [asyncio.create_task(stop.wait()), asyncio.create_task(reload.wait())]
        try:
            await _first(*waits, self._current.ended)
        finally:
            for wait in waits:
                wait.cancel()
        if stop.is_set():
            return await self._stop()
        if self._current.ended.done():
            await self._restart(self._current.ended.result(), stop)
        elif reload.is_set():
            reload.clear()
            await self._hand_over()
        return None

    async def _announced(self, stop: asyncio.Event) -> bool:
        """Wait for the first worker and announce the server. False if the worker ends first, or the server is told to
        stop."""
        waiting = asyncio.create_task(stop.wait())
        await _first(self._current.ready, waiting)
        waiting.cancel()
        if not self._current.ready.done() or self._current.ready.cancelled():
            return False
        line = {**self._current.ready.result(), "url": self._job.url, "pid": os.getpid()}
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()
        return True

    async def _start(self, takes_over: bool = False) -> Worker:
        process = await asyncio.to_thread(
            processes.start,
            "aix_lsp.serve.worker",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=(self._descriptor,),
        )
        assert process.stdin is not None
        process.stdin.write(encode(replace(self._job, takes_over=takes_over)) + b"\n")
        process.stdin.flush()
        return Worker(process)

    async def _restart(self, status: int, stop: asyncio.Event) -> None:
        if time.monotonic() - self._current.started > _STEADY_S:
            self._pause = _FIRST_PAUSE_S
        log.error("the worker ended with status %d and is restarted in %g s", status, self._pause)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), self._pause)
        self._pause = min(2 * self._pause, _LONGEST_PAUSE_S)
        if not stop.is_set():
            self._current = await self._start()

    async def _hand_over(self) -> None:
        """Start a new worker; once it serves, end the old one."""
        log.info("a new worker is started")
        fresh = await self._start(takes_over=True)
        await _first(fresh.ready, self._current.ended)
        if fresh.ready.cancelled():
            log.error("the new worker ended with status %d; the old one continues", await fresh.ended)
            return
        old, self._current = self._current, fresh
        old.send(HAND_OVER)
        self._leaving.add(old.ended)
        old.ended.add_done_callback(self._leaving.discard)

    async def _stop(self) -> int:
        log.info("leaving")
        self._current.send(signal.SIGTERM)
        await asyncio.wait([self._current.ended, *self._leaving])
        status = self._current.ended.result()
        return status if status >= 0 else 1


async def _first(*futures: asyncio.Future[Any]) -> None:
    await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)
