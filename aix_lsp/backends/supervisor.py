"""Finds or starts the user's engine, follows its state, and restarts it when it dies.

Its open event stream is the lease that keeps the engine from exiting when idle; when the stream ends, the engine's
death is noticed at once.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing
from typing import Any

from aix_lsp.backends.base import BackendError, BackendStatus, BackendUnavailable, ModelInfo
from aix_lsp.backends.client import HttpClient
from aix_lsp.backends.engine_endpoint import EngineEndpoint, engine_endpoint, forget_port
from aix_lsp.backends.engine_process import ALREADY_RUNNING, EngineChild
from aix_lsp.backends.json_values import count, model_card
from aix_lsp.backends.status import StatusBoard
from aix_lsp.paths import log_dir
from aix_lsp.settings.table import Settings

log = logging.getLogger(__name__)

_POLL_S = (0.02, 0.02, 0.05, 0.1, 0.2)
_PATIENCE_S = 60.0
"""Seconds that a started engine may take until it listens: Python and its imports on a slow, busy machine."""
_SILENCE_S = 45.0
"""Three of the comment lines by which an engine shows that it is alive."""
_FIRST_EVENT_S = 15.0
_BACK_OFF_S = (0.0, 0.5, 2.0, 5.0, 15.0)
_STEADY_S = 120.0
"""After an engine that lived this long, failures are counted from 0 again."""
_RECHECK_S = 30.0
_RESTART = 'Use the command "restart the engine" afterwards.'


_STARTING = BackendStatus("starting", "starting the engine")


class EngineFailed(Exception):
    """The engine cannot run, and restarting it would not help. The message is for the user."""


class _PortTaken(Exception):
    """Another program listens on the engine's port; the next endpoint has another one."""


class EngineSupervisor:
    """One server's connection to the engine. `client` and `pid` are set while the engine can be reached."""

    def __init__(self, settings: Settings, board: StatusBoard) -> None:
        self._settings = settings
        self._board = board
        self._again = asyncio.Event()
        self.client: HttpClient | None = None
        self.pid = 0

    async def run(self) -> None:
        """Keep an engine running until cancelled."""
        failures = 0
        clock = asyncio.get_running_loop().time
        while True:
            began = clock()
            trouble = await self._follow_one_engine()
            failures = 0 if clock() - began > _STEADY_S else failures + 1
            if not trouble and failures > len(_BACK_OFF_S):
                trouble = f"The engine has died {failures} times in a row; see {log_dir()}. {_RESTART}"
            if trouble:
                await self._rest(trouble)
                failures = 0
            else:
                self._board.set(BackendStatus("starting", "the engine has exited and is being restarted"))
                await self._pause(_BACK_OFF_S[max(failures - 1, 0)])

    def retry(self) -> None:
        """End a pause or rest at once."""
        if self._board.status.state == "error":
            self._board.set(_STARTING)
        self._again.set()

    async def _follow_one_engine(self) -> str:
        """Follow an engine, started if there is none, until it ends. Returns why another would fail too, or an empty
        string."""
        self._again.clear()
        try:
            endpoint = await asyncio.to_thread(engine_endpoint, self._settings)
            self.client = HttpClient(endpoint.address, endpoint.token, silence_s=_SILENCE_S)
            if not await self._follow(self.client, endpoint):
                await self._start(self.client, endpoint)
        except _PortTaken:
            log.info("another program has the engine's port: taking a new one")
        except EngineFailed as failure:
            return str(failure)
        except (OSError, ValueError, BackendError) as error:
            return f"The engine cannot be started: {error}"
        finally:
            client, self.client, self.pid = self.client, None, 0
            if client is not None:
                await client.close()
        return ""

    async def _start(self, client: HttpClient, endpoint: EngineEndpoint) -> None:
        loop = asyncio.get_running_loop()
        give_up = loop.time() + _PATIENCE_S
        process = await asyncio.to_thread(EngineChild, self._settings, endpoint)
        log.info("started an engine (pid %d, log %s)", process.pid, endpoint.log)
        for attempt in range(1_000_000):
            await asyncio.sleep(_POLL_S[min(attempt, len(_POLL_S) - 1)])
            if await self._follow(client, endpoint):
                process.ended()
                return
            status = process.ended()
            if loop.time() > give_up:
                raise EngineFailed(f"The engine does not answer; see {endpoint.log}. {_RESTART}")
            if status == ALREADY_RUNNING and attempt % 10 == 9:
                # Whoever held the lock may have been about to exit.
                process = await asyncio.to_thread(EngineChild, self._settings, endpoint)
            elif status is not None and status != ALREADY_RUNNING:
                self._judge(status, process.last_words(), endpoint)
                return

    def _judge(self, status: int, words: str, endpoint: EngineEndpoint) -> None:
        """An engine ended before it could be followed. Raises EngineFailed if a new one would end the same way."""
        log.warning("the engine ended with status %s: %s", status, words)
        if forget_port(endpoint):
            raise _PortTaken
        if status > 0:
            raise EngineFailed(words or f"The engine ended with status {status}; see {endpoint.log}.")

    async def _follow(self, client: HttpClient, endpoint: EngineEndpoint) -> bool:
        """Follow the engine's state until it ends. False if there is no engine; raises EngineFailed."""
        seen: BackendStatus | None = None
        try:
            async with aclosing(client.events(client.address.at("/aix/events"))) as events:
                async with asyncio.timeout(_FIRST_EVENT_S):
                    seen = self._report(await anext(events))
                async for event in events:
                    seen = self._report(event)
        except (BackendUnavailable, StopAsyncIteration, TimeoutError) as error:
            log.debug("events ended: %s", error)
        except BackendError as error:
            if forget_port(endpoint):
                raise _PortTaken from error
            raise EngineFailed(
                f"Something else is listening at {client.address}: {error} {_RESTART}"
            ) from error
        if seen is not None and seen.state == "error":
            raise EngineFailed(seen.message)
        return seen is not None

    def _report(self, event: Any) -> BackendStatus:
        if not isinstance(event, dict):
            raise BackendError("The engine's events are from another version.")
        pid = count(event.get("pid"))
        self.pid = pid if pid > 1 else self.pid  # it will be sent signals, and 1 and less are not one process
        status = read_status(event)
        self._board.set(status)
        return status

    async def _rest(self, message: str) -> None:
        """Show `message` until `retry` is called, or until an engine is up anyway."""
        log.error("%s", message)
        self._board.set(BackendStatus("error", message))
        while not await self._pause(_RECHECK_S):
            if await self._is_up():
                break
        self._board.set(_STARTING)

    async def _is_up(self) -> bool:
        """Whether an engine is running without an error."""
        try:
            endpoint = await asyncio.to_thread(engine_endpoint, self._settings)
            client = HttpClient(endpoint.address, endpoint.token, silence_s=_SILENCE_S)
        except (OSError, ValueError, BackendError):
            return False
        try:
            async with (
                aclosing(client.events(client.address.at("/aix/events"))) as events,
                asyncio.timeout(_FIRST_EVENT_S),
            ):
                event = await anext(events, None)
                return isinstance(event, dict) and event.get("state") in ("loading", "ready")
        except (BackendError, TimeoutError):
            return False
        finally:
            await client.close()

    async def _pause(self, seconds: float) -> bool:
        """Wait; returns True if `retry` ended the wait."""
        try:
            async with asyncio.timeout(seconds):
                await self._again.wait()
        except TimeoutError:
            return False
        self._again.clear()
        return True


def read_status(event: dict[str, Any]) -> BackendStatus:
    """An event of `/aix/events` as a status (docs/engine-api.md)."""
    state = event.get("state")
    message = event.get("message") or event.get("stage")
    message = message if isinstance(message, str) else ""
    if state == "ready":
        return BackendStatus("ready", model=model_card(event.get("model"), ModelInfo("")))
    if state == "error":
        return BackendStatus("error", message or "The engine reports an error without a reason.")
    fraction = event.get("fraction")
    known = isinstance(fraction, int | float) and 0 <= fraction <= 1
    return BackendStatus("loading", message, fraction if known else None)
