"""A backend for a remote OpenAI-compatible server: discovers it, tracks its state, sends requests. Knows no tokens."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncGenerator
from contextlib import aclosing

from aix_lsp.backends.address import parse
from aix_lsp.backends.base import (
    BackendError,
    BackendStatus,
    BackendUnavailable,
    Delta,
    GenerateRequest,
    Usage,
)
from aix_lsp.backends.client import HttpClient
from aix_lsp.backends.corpus import CorpusUploader
from aix_lsp.backends.dialects import EngineDialect
from aix_lsp.backends.discovery import Server, discover
from aix_lsp.backends.exchange import Exchange
from aix_lsp.backends.health import Health
from aix_lsp.backends.status import StatusBoard, WatchedBackend
from aix_lsp.settings.table import Settings

log = logging.getLogger(__name__)

_LOOKING = BackendStatus("starting", "looking for the server at aix.url")
_DISCOVERY_S = 10.0
_UNANSWERED_S = 10.0
"""After this time without an answer while requests are in flight, the server is discovered again."""


class OpenAIBackend(WatchedBackend):
    """Generates on the server at `settings.url`. Created and used on one running event loop."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._board = StatusBoard(_LOOKING)
        self._health = Health()
        self._exchange: Exchange | None = None
        self._client: HttpClient | None = None
        self._search: asyncio.Task[None] | None = None
        self._uploader = CorpusUploader()
        self._unanswered_s = 0.0
        """How long requests have been in flight since the last answer."""
        self._clock = asyncio.get_running_loop().time
        try:
            self._client = HttpClient(parse("".join(settings.urls)), _key(settings))
        except BackendError as error:
            self._board.set(BackendStatus("error", str(error)))
        self._search_soon()

    @property
    def admits(self) -> bool:
        """Whether a request would be sent to the server now, rather than held back because it is in trouble."""
        return self._exchange is not None and self._health.admits(self._clock())

    async def restart(self) -> None:
        """Discover the server again; its model may have changed."""
        self._exchange = None
        self._health.reset()
        if self._client is not None:
            self._board.set(_LOOKING)
        if self._search is not None:
            self._search.cancel()
            self._search = None
        self._search_soon()

    async def close(self) -> None:
        """Close the connections, for good: no request and no restart looks for the server again."""
        client, self._client, self._exchange = self._client, None, None
        if self._search is not None:
            self._search.cancel()
            await asyncio.gather(self._search, return_exceptions=True)
        await self._uploader.close()
        if client is not None:
            await client.close()
        self._board.set(BackendStatus("stopped"))

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Delta | Usage]:
        """See Backend.generate. While the server is in trouble, the same error is raised at once."""
        exchange = self._admitted()
        if isinstance(exchange.server.dialect, EngineDialect):
            self._uploader.provide(exchange.client, request.corpus)
        began, noted = self._clock(), False
        try:
            async with aclosing(exchange.generate(request)) as events:
                async for event in events:
                    if not noted:
                        noted = True
                        self._note_success()
                    yield event
            if not noted:
                noted = True
                self._note_success()
        except BackendError as error:
            noted = True
            self._note_failure(began, error)
            raise
        finally:
            if not noted:
                self._note_abandoned(began)

    def _admitted(self) -> Exchange:
        """The exchange for a request that may be sent now. Raises BackendError, BackendUnavailable if none may."""
        if self._exchange is not None and self._health.admit(self._clock()):
            return self._exchange
        status = self._board.status
        if self._exchange is None and self._health.admits(self._clock()):
            self._search_soon()
        if status.state in ("error", "refused", "failing"):
            raise BackendError(status.message)
        raise BackendUnavailable(status.message or "Not ready.")

    def _note_success(self) -> None:
        self._unanswered_s = 0.0
        self._health.succeeded()
        self._show()

    def _note_failure(self, began: float, error: BackendError) -> None:
        self._health.failed(began, self._clock(), error)
        if self._health.in_trouble:
            self._unanswered_s = 0.0
            self._show()
            if self._health.state in ("away", "refused"):
                # It may return as another server or with another model; if its model is missing, that has happened.
                self._search_soon(at_once=error.status == 404)

    def _note_abandoned(self, began: float) -> None:
        """A request was cancelled before any answer, as by a keystroke. After many of them, search for the server."""
        self._health.abandoned(self._clock())
        self._unanswered_s += self._clock() - began
        if self._unanswered_s > _UNANSWERED_S:
            self._unanswered_s = 0.0
            self._search_soon()

    def _show(self) -> None:
        """Publish the server's current state, unless this has been closed."""
        if self._client is None:
            return
        model = self._exchange.model if self._exchange is not None else None
        if self._health.in_trouble:
            self._board.set(BackendStatus(self._health.state, self._health.message, model=model))
        elif self._exchange is not None:
            self._board.set(BackendStatus("ready", self._exchange.server.note, model=model))

    def _search_soon(self, *, at_once: bool = False) -> None:
        if self._client is not None and (self._search is None or self._search.done()):
            self._search = asyncio.create_task(self._find_server(self._client, at_once))

    async def _find_server(self, client: HttpClient, at_once: bool) -> None:
        """Discover the server; repeated until it answers."""
        while True:
            began = self._clock()
            pause = self._health.retry_at - began
            if self._health.in_trouble and pause > 0 and not at_once:
                await asyncio.sleep(pause)
                began = self._clock()
            at_once = False
            try:
                server = await self._discover(client)
            except BackendError as error:
                client.hide_key(error)
                if error.trouble is None:
                    self._exchange = None
                    self._board.set(BackendStatus("error", str(error)))
                    return
                log.log(logging.INFO if not self._health.in_trouble else logging.DEBUG, "%s", error)
                self._health.failed(began, self._clock(), error)
                self._show()
                if error.trouble == "refused":
                    return
            except Exception as error:
                log.exception("looking for the server failed unexpectedly")
                self._board.set(BackendStatus("error", f"{client.address} cannot be used: {error}"))
                return
            else:
                break
        if self._exchange is None or self._exchange.server != server:
            _warn_of_open_key(client, self._settings)
            self._exchange = Exchange(client, server, self._show)
            self._health.succeeded()
        elif self._health.state == "away":
            self._health.succeeded()
        self._show()

    async def _discover(self, client: HttpClient) -> Server:
        try:
            async with asyncio.timeout(_DISCOVERY_S):
                return await discover(client, self._settings)
        except TimeoutError:
            raise BackendUnavailable(
                f"{client.address} has not answered within {_DISCOVERY_S:g} s.", trouble="away"
            ) from None


def _key(settings: Settings) -> str:
    return (settings.api_key or os.environ.get("AIX_LSP_API_KEY", "")).strip()


def _warn_of_open_key(client: HttpClient, settings: Settings) -> None:
    if _key(settings) and client.address.root.startswith("http:") and not client.address.local:
        log.warning("The key for %s is sent unencrypted; use https.", client.address)
