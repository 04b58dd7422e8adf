"""Reports the engine's state to the client: `aix/status` notifications, progress bars and messages."""

from __future__ import annotations

import asyncio
import itertools
import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import PurePath
from typing import Any

from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pygls.lsp.server import LanguageServer

from aix_lsp.backends.base import BackendStatus
from aix_lsp.backends.status import WatchedBackend

logger = logging.getLogger(__name__)

BUSY_AFTER_S = 0.15
"""Shorter work is not worth making an icon flicker for."""
PROGRESS_AFTER_S = 0.3
"""Connecting to an engine that is already running takes less time than this."""

_CREATE_S = 5.0
_STATES = {
    "starting": "loading",
    "loading": "loading",
    "ready": "ready",
    "stopped": "error",
    "error": "error",
    "throttled": "waiting",
    "refused": "error",
    "failing": "error",
    "away": "error",
}


@dataclass(frozen=True, slots=True)
class Status:
    """The params of `aix/status`."""

    state: str = "loading"
    message: str = ""
    fraction: float | None = None
    model: str = ""
    running: str = ""
    """How our engine computes the model and why, for people; empty unless it is ready."""


class StatusReporter:
    """Follows one backend at a time: that of the document the user is working in."""

    def __init__(self, server: LanguageServer) -> None:
        self.notifies = False
        """Whether the client gets `aix/status`."""
        self.shows_progress = False
        """Whether the client supports work-done progress."""
        self.engine = Status()
        self.loading = ProgressBar(server, "aix-loading")
        self.indexing = ProgressBar(server, "aix-indexing")
        """For the indexing of other files, which provide context."""
        self.downloading = ProgressBar(server, "aix-downloading")
        self.when_ready: Callable[[str], None] = lambda model: None
        """Called with the model's name when a backend has become ready."""
        self._language_server = server
        self._backend: WatchedBackend | None = None
        self._unsubscribe: Callable[[], None] = lambda: None
        self._inactive = ""
        self._complaints: set[str] = set()
        self._running = 0
        self._sent: Status | None = None
        self._busy_timer: asyncio.TimerHandle | None = None

    def follow(self, backend: WatchedBackend) -> None:
        """Report on this backend from now on."""
        if backend is self._backend:
            return
        self._unsubscribe()
        self._backend = backend
        self._unsubscribe = backend.on_status(self._note)
        self._note(backend.status)

    def stop(self, reason: str = "") -> None:
        """Stop following; a `reason` is reported as the state `inactive`."""
        self._unsubscribe()
        self._unsubscribe, self._backend = lambda: None, None
        self.loading.end()
        self.indexing.end()
        if reason:
            self.engine = Status("inactive", reason)
            self._report()

    def set_inactive(self, reason: str) -> None:
        """Report why the current document gets no suggestions; empty if it does."""
        if reason != self._inactive:
            self._inactive = reason
            self._report()

    def note_indexing(self, root: str, done: int, of: int) -> None:
        """Show the progress of indexing a folder's files, if it takes a while."""
        if self.shows_progress:
            message = f"indexing {PurePath(root).name}"
            self.indexing.follow(Status("loading", message, done / of) if done < of else Status("ready"))

    def fail(self, message: str) -> None:
        """Report that there will be no suggestions until the user fixes something."""
        self.engine = Status("error", message)
        self._show_message(message)
        self._report()

    @contextmanager
    def busy(self) -> Iterator[None]:
        """Report the state as busy inside this context, if it takes a while."""
        self._running += 1
        if self._busy_timer is None:
            self._busy_timer = asyncio.get_running_loop().call_later(BUSY_AFTER_S, self._report)
        try:
            yield
        finally:
            self._running -= 1
            if not self._running:
                self._busy_timer.cancel()
                self._busy_timer = None
                self._report()

    def _note(self, status: BackendStatus) -> None:
        fraction = None if status.fraction is None else round(status.fraction, 2)
        model, running = (status.model.name, status.model.running) if status.model else ("", "")
        state = _STATES[status.state]
        was, self.engine = self.engine, Status(state, status.message, fraction, model, running)
        if self.engine.state == "ready" and (was.state, was.model) != ("ready", model):
            self.when_ready(model)
        if self.engine.state == "error":
            self._show_message(status.message)
        elif self.engine.state == "waiting" and not self.notifies:
            self._show_message(status.message, types.MessageType.Warning)
        if self.shows_progress:
            self.loading.follow(self.engine)
        self._report()

    def _show_message(self, message: str, kind: types.MessageType = types.MessageType.Error) -> None:
        """Show the user a problem once, not on every retry."""
        logger.log(
            logging.ERROR if kind is types.MessageType.Error else logging.WARNING,
            "no suggestions: %s",
            message,
        )
        # Servers put numbers of requests and times into their messages.
        same = re.sub(r"\b[0-9a-f-]{8,}\b|\d+", "#", message)
        if message and same not in self._complaints:
            self._complaints.add(same)
            self._language_server.window_show_message(types.ShowMessageParams(kind, f"aix-lsp: {message}"))

    def _current(self) -> Status:
        if self.engine.state != "ready":
            return self.engine
        if self._inactive:
            return replace(self.engine, state="inactive", message=self._inactive)
        timer = self._busy_timer
        if self._running and timer is not None and timer.when() <= asyncio.get_running_loop().time():
            return replace(self.engine, state="busy", message="")
        return self.engine

    def _report(self) -> None:
        current = self._current()
        if self.notifies and current != self._sent:
            self._sent = current
            self._language_server.protocol.notify("aix/status", asdict(current))


class ProgressBar:
    """A progress bar in the client, shown only if the work takes longer than a moment."""

    def __init__(self, server: LanguageServer, name: str) -> None:
        """`name` is the prefix of the progress tokens."""
        self.token = ""
        """The token of the visible bar; empty if there is none."""
        self._language_server = server
        self._name = name
        self._numbers = itertools.count(1)
        self._status = Status()
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def follow(self, status: Status) -> None:
        """Begin, update or end the bar, depending on the state."""
        self._status = status
        self._changed.set()
        if status.state == "loading" and self._task is None:
            self._task = asyncio.ensure_future(self._show())
            self._task.add_done_callback(self._shown)

    def end(self) -> None:
        """Remove the bar."""
        self.follow(Status("inactive"))

    def _shown(self, task: asyncio.Task[None]) -> None:
        self._task, self.token = None, ""
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("showing progress failed", exc_info=error)

    async def _show(self) -> None:
        await asyncio.sleep(PROGRESS_AFTER_S)
        if self._status.state != "loading" or not await self._create():
            return
        self._send(types.WorkDoneProgressBegin("aix-lsp", cancellable=True, **self._details()))
        while self._status.state == "loading":
            self._changed.clear()
            await self._changed.wait()
            if self._status.state == "loading":
                self._send(types.WorkDoneProgressReport(cancellable=True, **self._details()))
        self._send(types.WorkDoneProgressEnd(message=self._status.message or self._status.state))

    async def _create(self) -> bool:
        self.token = f"{self._name}-{next(self._numbers)}"
        try:
            async with asyncio.timeout(_CREATE_S):
                params = types.WorkDoneProgressCreateParams(self.token)
                await self._language_server.window_work_done_progress_create_async(params)
        except (TimeoutError, JsonRpcException):
            return False
        return True

    def _details(self) -> dict[str, Any]:
        fraction = self._status.fraction
        details: dict[str, Any] = {"message": self._status.message} if self._status.message else {}
        return details if fraction is None else details | {"percentage": round(100 * fraction)}

    def _send(self, value: Any) -> None:
        self._language_server.progress(types.ProgressParams(self.token, value))
