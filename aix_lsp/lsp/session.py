"""One client's session: its documents, settings and services, tied together for the request handlers."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from cachetools import LRUCache
from pygls.exceptions import JsonRpcException

from aix_lsp.completion.document import DocumentSnapshot
from aix_lsp.lsp.client import Client
from aix_lsp.lsp.configuration import SECTION, Configuration
from aix_lsp.lsp.documents import Change, DocumentStore
from aix_lsp.lsp.engines import EnginePool
from aix_lsp.lsp.options import ServeOptions
from aix_lsp.lsp.protocol import Phase, Protocol
from aix_lsp.lsp.scopes import MakeService, Scope, Scopes
from aix_lsp.lsp.status import StatusReporter
from aix_lsp.lsp.target import Target
from aix_lsp.lsp.workspace import Workspace
from aix_lsp.settings import Settings

logger = logging.getLogger(__name__)

CONFIGURATION_WAIT_S = 3.0
"""Without an answer to `workspace/configuration` by then, the other sources' settings are used."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What all sessions of a process share."""

    options: ServeOptions
    pool: EnginePool
    make_service: MakeService
    warm_up: Callable[[], None] = lambda: None
    """Imports what `pool` and `make_service` need; called on a thread before their first use."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A suggestion as the client got it."""

    text: str
    language: str


class Session:
    """State of one connection, from `initialize` to its end. Used on the event loop's thread only."""

    def __init__(self, protocol: Protocol, parts: Parts) -> None:
        self.protocol = protocol
        self.parts = parts
        self.client = Client()
        self.workspace = Workspace()
        self.documents = DocumentStore(self.workspace)
        self.configuration = Configuration(parts.options.settings)
        self.scopes = Scopes(parts.pool, parts.make_service)
        self.status = StatusReporter(protocol)
        self.started = asyncio.Event()
        """Set when settings are known, so that there are scopes."""
        self.finished: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        """The exit status, when the client has said `exit`."""
        self.shown: LRUCache[str, Shown] = LRUCache(maxsize=256)
        """Suggestions lately given, by id, for the requests that come back to them."""
        self.required_token = ""
        self._starting = False
        self._homes: dict[str, Scope] = {}
        self._edited_at: dict[str, float] = {}
        self._background: set[asyncio.Task[Any]] = set()

    def target(self, uri: str) -> Target | None:
        """The document as it is now; None where the client has not opened it."""
        document = self.documents.get(uri)
        return None if document is None else Target(document, document)

    def since_edit(self, uri: str) -> float:
        """Seconds since a document's last change; infinite where there was none."""
        return time.monotonic() - self._edited_at.get(uri, float("-inf"))

    def settings_for(self, document: DocumentSnapshot) -> Settings:
        """The settings that hold for a document; the defaults before the session has started."""
        scope = self.scope_of(document.uri)
        return scope.settings_for(document.language) if scope else Settings()

    def remember(self, id: str, text: str, language: str) -> None:
        """Keep a suggestion that was given to the client."""
        self.shown[id] = Shown(text, language)

    def opened(self, document: DocumentSnapshot) -> None:
        """Pass on that a document was opened."""
        scope = self.scope_of(document.uri)
        if scope is not None:
            self._homes[document.uri] = scope
            scope.service.document_opened(document)

    def changed(self, change: Change) -> None:
        """Pass on, at once, that a document was changed."""
        self._edited_at[change.after.uri] = time.monotonic()
        home = self._homes.get(change.after.uri)
        if home is not None:
            home.service.document_changed(change.before, change.after, change.edits)

    def closed(self, uri: str) -> None:
        """Pass on that a document was closed."""
        self._edited_at.pop(uri, None)
        home = self._homes.pop(uri, None)
        if home is not None:
            home.service.document_closed(uri)

    def scope_of(self, uri: str) -> Scope | None:
        """Where a document's settings and service are; None before the session has started."""
        folder = self.workspace.folder_of(uri)
        return self.scopes.get(folder.uri if folder else "")

    async def wait_for_start(self, within_s: float) -> bool:
        """Whether the session has started, or does so in time."""
        self.start()  # some clients never say `initialized`
        try:
            await asyncio.wait_for(self.started.wait(), within_s)
        except TimeoutError:
            return False
        return True

    def start(self) -> None:
        """Read the settings and bring the engine up, in the background. Again does nothing."""
        if not self._starting:
            self._starting = True
            self.run_soon(self._start())

    async def _start(self) -> None:
        try:
            # Elsewhere than on the loop: what backends import takes longer than a request may wait.
            await asyncio.to_thread(self.parts.warm_up)
            await self.reconfigure()
        except Exception as error:
            self.status.fail(f"the server could not start its engine: {error}")
            raise

    def disconnected(self) -> None:
        """The client is gone without a word, which is an error unless it had said `shutdown`."""
        if not self.finished.done():
            self.finished.set_result(0 if self.protocol.phase is Phase.SHUT_DOWN else 1)

    async def reconfigure(self, *, ask: bool = True) -> None:
        """Read all sources of settings again and act on what has changed."""
        if ask and self.client.configuration:
            await self._pull()
        settings, problems = self.configuration.resolve(self.workspace.folders)
        for problem in problems:
            logger.warning("%s", problem)
            self.protocol.notify("window/showMessage", {"type": 2, "message": f"aix-lsp: {problem}"})
        self.scopes.apply(settings)
        self._rehome()
        if (scope := self.scopes.get("")) is not None:
            self.status.follow(scope.lease.backend)
        self.started.set()

    def _rehome(self) -> None:
        """Move each document to the service that its settings now say."""
        for document in self.documents:
            home, before = self.scope_of(document.uri), self._homes.get(document.uri)
            if home is not before:
                if before is not None:
                    before.service.document_closed(document.uri)
                self.opened(document)

    async def _pull(self) -> None:
        folders = ["", *(folder.uri for folder in self.workspace.folders)]
        items = [{"section": SECTION} | ({"scopeUri": uri} if uri else {}) for uri in folders]
        call = self.protocol.send_request_async("workspace/configuration", {"items": items})
        try:
            answers = await asyncio.wait_for(call, CONFIGURATION_WAIT_S)
        except (TimeoutError, JsonRpcException) as error:
            logger.warning("the editor did not tell its settings: %s", error or "no answer")
            return
        if isinstance(answers, list):
            given = dict(zip(folders, answers, strict=False))
            self.configuration.set_pulled({f: v for f, v in given.items() if isinstance(v, Mapping)})

    def run_soon(self, work: Any) -> None:
        """Run a coroutine in the background until the session's end; its failure is logged."""
        task = asyncio.ensure_future(work)
        self._background.add(task)
        task.add_done_callback(self._ran)

    def _ran(self, task: asyncio.Task[Any]) -> None:
        self._background.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("work in the background failed", exc_info=error)

    async def close(self) -> None:
        """Let go of everything, whatever state the session is in."""
        for task in list(self._background):
            task.cancel()
        self.status.stop()
        await self.protocol.cancel_all()
        await self.scopes.close()
        self._homes.clear()
