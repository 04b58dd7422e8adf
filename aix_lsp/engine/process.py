"""The engine process from start to end: lock, socket, server, loading, shutdown. Knows no tokens and no HTTP routes."""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import importlib
import json
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from socket import socket
from typing import Any

import uvicorn
from filelock import Timeout
from starlette.types import ASGIApp

from aix_lsp.engine.elasticity import Elasticity, free_share
from aix_lsp.engine.http.api import Service, make_app
from aix_lsp.engine.http.connections import Connections, guarded
from aix_lsp.engine.http.listener import (
    AlreadyServed,
    CannotListen,
    allowed_hosts,
    hold_lock,
    open_socket,
    token_of,
)
from aix_lsp.engine.loading import Load, load_model, start_model
from aix_lsp.engine.metrics import EngineMetrics
from aix_lsp.engine.options import EngineOptions, Listen, ModelError
from aix_lsp.engine.served import ServedModel
from aix_lsp.engine.state import Presence, StateBoard
from aix_lsp.engine.watchdog import Watchdog

log = logging.getLogger(__name__)

ALREADY_RUNNING = 75
"""Exit status (EX_TEMPFAIL) of an engine that found another one already running."""
HANGS = 70
"""Exit status (EX_SOFTWARE) of an engine whose model hung in a step."""
_SWITCH_INTERVAL_S = 0.0005
_ERROR_SHOWN_S = 3.0
_CHECK_EVERY_S = 0.5
_KEEP_ALIVE_S = 600
_GRACE_S = 2
_STOP_S = 1.0
"""Seconds that shutdown waits for the step in flight; the process then ends without it."""
_END_S = 4.5
"""Seconds after a request to exit at which the process ends, whatever it is doing."""


def run(options: EngineOptions, listen: Listen, load: Load | None = None) -> int:
    """Serve until idle, told to stop, or unable to; returns the exit status. `load` replaces the usual loader."""
    # The step thread runs Python code between operations; with the default interval of 5 ms, the event loop would have
    # to wait for it.
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    try:
        token = token_of(listen)
        with hold_lock(listen.lock):
            listener, url = open_socket(listen, owned=bool(listen.lock))
            with listener:
                process = EngineProcess(options, listen, url, token, load)
                status = run_loop(process, listener)
            if listen.uds:
                Path(listen.uds).unlink(missing_ok=True)
    except (Timeout, AlreadyServed):
        log.info("another engine is already running here")
        return ALREADY_RUNNING
    except CannotListen as error:
        log.error("%s", error)
        return 1
    return end(process, status)


def end(process: EngineProcess, status: int) -> int:
    """Exit with `status`; immediately if some thread cannot be ended."""
    if process.loading.is_alive() or not process.stopped:
        # Python cannot end a thread that is deep in an import, a download or a step, and waiting for it would take
        # minutes.
        logging.shutdown()
        os._exit(status)
    return status


def run_loop(process: EngineProcess, listener: socket) -> int:
    """Run a process on its own event loop; returns its exit status."""
    try:
        uvloop = importlib.import_module("uvloop")
    except ImportError:
        factory = None
    else:
        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(process.serve(listener))


class _Server(uvicorn.Server):
    """Leaves signals to us: uvicorn would raise them again at its end, so that the exit status would not be 0."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class EngineProcess:
    """One run of the engine process, on its event loop. The servers for several users derive from it."""

    end_s = _END_S
    """Seconds after a request to exit at which the process ends, whatever it is doing."""
    signals: tuple[int, ...] = (signal.SIGTERM, signal.SIGINT)

    def __init__(
        self, options: EngineOptions, listen: Listen, url: str, token: str = "", load: Load | None = None
    ) -> None:
        self._options = options
        self._listen = listen
        self._url = url
        self._token = token
        self._load = load or load_model
        self._status = 0
        self._watchdog: Watchdog | None = None
        self.stopped = True
        self.loading = threading.Thread(target=self._load_model, name="engine-load", daemon=True)

    async def serve(self, listener: socket) -> int:
        """Serve on `listener` until it is time to leave; returns the exit status."""
        self.loop = asyncio.get_running_loop()
        self.metrics = EngineMetrics()
        self.board = StateBoard(self._progress_state("start", 0.0))
        self.presence = Presence()
        self.service = Service(self.board, self.presence, self.metrics)
        self.connections = Connections()
        self.server = _Server(self._config())
        with self._signals():
            watching = [asyncio.create_task(self._watch()), asyncio.create_task(self.connections.watch())]
            self.loading.start()
            await self.before_serving()
            await self.server.serve(sockets=[listener])
            for task in watching:
                task.cancel()
        if self.service.served:
            self.stopped = await asyncio.to_thread(self.service.served.engine.stop, _STOP_S)
        return self._status

    def app(self) -> ASGIApp:
        """The app to serve."""
        return make_app(self.service, self._token, allowed_hosts(self._listen))

    async def before_serving(self) -> None:
        """Wait for what must be ready before connections are accepted. Here nothing: loading can be watched."""

    def server_options(self) -> dict[str, Any]:
        """More options for uvicorn."""
        return {}

    def on_signal(self, number: int) -> None:
        """Handle a signal. Called on the loop."""
        self.leave(f"signal {number}")

    def _config(self) -> uvicorn.Config:
        return uvicorn.Config(
            self.app(),
            http=guarded(self.connections),
            lifespan="off",
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            proxy_headers=False,
            timeout_keep_alive=_KEEP_ALIVE_S,
            timeout_graceful_shutdown=_GRACE_S,
            **self.server_options(),
        )

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        def handle(number: int, frame: object) -> None:
            # Ends the process from a thread that needs no lock of Python's. Python handles signals only between two
            # operations of the main thread, so none of these may take long.
            with contextlib.suppress(RuntimeError, ValueError, AttributeError):  # there is no standard error
                faulthandler.dump_traceback_later(self.end_s, exit=True)
            self.loop.call_soon_threadsafe(self.on_signal, number)

        before = {number: signal.signal(number, handle) for number in self.signals}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def leave(self, why: str, status: int = 0) -> None:
        """End all requests, then the process."""
        if not self.server.should_exit:
            log.info("leaving: %s", why)
            self._status = status
            self.server.should_exit = True
            self.board.close()
            if self.service.served:
                self.service.served.leave()

    async def _watch(self) -> None:
        """Exit after a long time without clients, or when the model hangs."""
        while True:
            await asyncio.sleep(_CHECK_EVERY_S)
            if self._watchdog is not None:
                self._watchdog.check()
            self._give_back()
            limit = self._listen.idle_exit_s
            if limit and self.service.served and self.presence.idle_seconds() >= limit:
                self.leave(f"no clients for {limit:g} s")

    def _give_back(self) -> None:
        served = self.service.served
        if served is not None and self._elasticity.due(time.monotonic(), served.engine.active > 0):
            served.engine.give_back()

    # Loading, on its own thread

    def _load_model(self) -> None:
        try:
            progress = partial(self._call, self._progress)
            served = start_model(self._options, self.metrics, progress, self._load)
        except ModelError as error:
            self._call(self._fail, str(error))
        else:
            self._call(self._ready, served)

    def _call(self, function: Callable[..., None], *arguments: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self.loop.call_soon_threadsafe(function, *arguments)

    # On the loop

    def _progress_state(self, stage: str, fraction: float) -> dict[str, Any]:
        return {
            "state": "loading",
            "stage": stage,
            "fraction": round(fraction, 3),
            "message": f"loading {self._options.model}",
            "pid": os.getpid(),
        }

    def _progress(self, stage: str, fraction: float) -> None:
        if self.board.current["state"] == "loading":
            self.board.publish(self._progress_state(stage, fraction))

    def _ready(self, served: ServedModel) -> None:
        self.service.served = served
        self._elasticity = Elasticity(self._options.kv_idle_s, free_share, time.monotonic())
        self._watchdog = Watchdog(served.engine, self._listen.step_limit_s, partial(self.leave, status=HANGS))
        # Idle time counts from here, not from before a long load.
        with self.presence.here():
            pass
        self.board.publish({"state": "ready", "model": served.card.json(), "pid": os.getpid()})
        line = {"ready": True, "url": self._url, "model": served.card.name, "pid": os.getpid()}
        with contextlib.suppress(OSError, ValueError):  # nobody reads it any more
            sys.stdout.write(json.dumps(line) + "\n")
            sys.stdout.flush()

    def _fail(self, message: str) -> None:
        log.error("%s", message)
        self.board.publish({"state": "error", "message": message, "pid": os.getpid()})
        self.loop.call_later(_ERROR_SHOWN_S, self.leave, "no model", 1)
