"""The state of one client's session: its documents, settings and services, for the request handlers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cachetools import LRUCache
from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pygls.lsp.server import LanguageServer

from aix_lsp import files, logs
from aix_lsp.completion.request import CompletionRequest, Suggestion
from aix_lsp.completion.text import DocumentSnapshot
from aix_lsp.lsp.capabilities import Client, registrations
from aix_lsp.lsp.documents import RequestDocument, RequestPosition
from aix_lsp.lsp.open_documents import OpenDocuments
from aix_lsp.lsp.options import LspOptions
from aix_lsp.lsp.positions import from_wire
from aix_lsp.lsp.protocol import Phase, Protocol
from aix_lsp.lsp.services import ConfiguredService, EnginePool, MakeService, Roots, ServiceMap
from aix_lsp.lsp.status import StatusReporter
from aix_lsp.lsp.workspace import Configuration, Workspace
from aix_lsp.settings import Problem, Settings
from aix_lsp.settings.files import PROJECT_FILE
from aix_lsp.settings.names import SECTION

if TYPE_CHECKING:
    from aix_lsp.backends.base import Backend
    from aix_lsp.completion.service import CompletionService

logger = logging.getLogger(__name__)

CONFIGURATION_WAIT_S = 3.0
"""If `workspace/configuration` is not answered within this time, the other sources' settings are used."""


@dataclass(frozen=True, slots=True)
class Dependencies:
    """The factories that all sessions of a process share."""

    options: LspOptions
    pool: EnginePool
    make_service: MakeService
    warm_up: Callable[[], None] = lambda: None
    """Imports what `pool` and `make_service` need; called on a thread before their first use."""


@dataclass(frozen=True, slots=True)
class ShownSuggestion:
    """A suggestion as it was sent to the client."""

    text: str
    language: str
    service: CompletionService


@dataclass(frozen=True, slots=True)
class CandidateList:
    """The candidates last sent to the client as ghost text for a document; it shows the one at `index`."""

    position: RequestPosition
    request: CompletionRequest
    suggestions: tuple[Suggestion, ...]
    index: int = 0

    def holds(self, document: RequestDocument) -> bool:
        """Whether the list is still right for a document: it has not changed."""
        return self.position.document.snapshot.text is document.snapshot.text


class Session:
    """The state of one connection, from `initialize` to its end. Used only on the event loop's thread."""

    def __init__(
        self, server: LanguageServer, dependencies: Dependencies, *, on_socket: bool = False
    ) -> None:
        """`on_socket` says that someone other than the editor that started us could have opened the connection."""
        assert isinstance(server.protocol, Protocol)
        self.server = server
        """For pygls' typed calls to the client."""
        self.protocol = server.protocol
        self.dependencies = dependencies
        self.on_socket = on_socket
        self.client = Client()
        self.workspace = Workspace()
        self.documents = OpenDocuments(self.workspace, self.service_for)
        self.configuration = Configuration(dependencies.options.settings, trusts_client=self.trusts_client)
        self.services = ServiceMap(dependencies.pool, self._make_service, self.workspace.roots)
        self.status = StatusReporter(server)
        self.status.when_ready = self._model_ready
        self.started = asyncio.Event()
        """Set when the settings are known, so that there are services."""
        self.finished: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        """The exit status, set when the client has sent `exit`."""
        self._log_level = dependencies.options.settings.get("logLevel", "info")
        self.shown: LRUCache[str, ShownSuggestion] = LRUCache(maxsize=256)
        """Recent suggestions, by id."""
        self.candidates: LRUCache[str, CandidateList] = LRUCache(maxsize=32)
        """The latest candidates of each document, by URI."""
        self.required_token = ""
        """The token that the client must present in `initialize`; empty if the transport has checked it."""
        self.download: asyncio.Task[Any] | None = None
        """The running download of a model, if there is one."""
        self._starting = False
        self._reconfiguring = asyncio.Lock()
        self._background: set[asyncio.Task[Any]] = set()

    @property
    def silent(self) -> bool:
        """Whether the client has yet to introduce itself, with the token if one is required."""
        return self.protocol.phase is Phase.CONNECTED and not self.finished.done()

    @property
    def trusts_client(self) -> bool:
        """Whether the client has shown that it is the user's own: it has started us, or must present a token."""
        return not self.on_socket or bool(self.dependencies.options.token)

    def _make_service(
        self, backend: Backend, settings: Callable[[str], Settings], roots: Roots
    ) -> CompletionService:
        service = self.dependencies.make_service(backend, settings, roots)
        service.indexing = self.status.note_indexing
        service.inactive = self.status.set_inactive
        return service

    def settings_for(self, document: DocumentSnapshot) -> Settings:
        """The settings for a document; the defaults before the session has started."""
        configured = self.service_for(document.uri)
        return configured.settings_for(document.language) if configured else Settings()

    def is_active(self, document: RequestDocument) -> bool:
        """Whether a document may get suggestions, as far as that is known; if not, the status says why."""
        configured = self.service_for(document.whole.uri)
        if configured is None:
            return True
        reason = configured.service.inactive_reason(document.whole.uri, document.language)
        if reason is not None:
            self.status.set_inactive(reason)
        return not reason

    def position(self, document: RequestDocument, position: types.Position) -> RequestPosition:
        """A client's position, clamped to the document."""
        encoding = self.documents.store.encoding
        cursor = from_wire(document.snapshot.text, position.line, position.character, encoding)
        return RequestPosition(document, cursor, encoding)

    def remember(self, document: RequestDocument, suggestion: Suggestion) -> None:
        """Keep a suggestion that was sent to the client, for later requests that refer to it."""
        configured = self.service_for(document.whole.uri)
        if configured is not None:
            self.shown[suggestion.id] = ShownSuggestion(
                suggestion.text, document.language, configured.service
            )

    def service_for(self, uri: str) -> ConfiguredService | None:
        """The service for a document, with its settings; None before the session has started."""
        folder = self.workspace.folder_of(uri)
        return self.services.get(folder.uri if folder else "")

    def start(self) -> None:
        """Load the settings and start the engine, in the background; idempotent."""
        if not self._starting:
            self._starting = True
            self.run_soon(self._start())

    async def _start(self) -> None:
        try:
            # Not on the event loop: the imports of backends take longer than a request may wait.
            await asyncio.to_thread(self.dependencies.warm_up)
            await self.reconfigure()
            self.run_soon(self._register())
        except Exception as error:
            self.status.fail(f"the server could not start its engine: {error}")
            raise

    def disconnected(self) -> None:
        """Handle the end of the connection, which is an error unless the client had sent `shutdown`."""
        if not self.finished.done():
            self.finished.set_result(0 if self.protocol.phase is Phase.SHUT_DOWN else 1)

    async def reconfigure(self, *, pull: bool = True) -> None:
        """Reload the settings from all sources and apply them."""
        async with self._reconfiguring:
            if pull and self.client.configuration:
                await self._pull()
            folders = self.workspace.folders
            layers = await self.configuration.read_files([folder.path for folder in folders])
            self._apply(*self.configuration.resolve(folders, layers))

    def _apply(self, settings: Mapping[str, Settings], problems: Sequence[Problem]) -> None:
        if problems:
            message = "\n".join(f"aix-lsp: {problem}" for problem in problems)
            logger.warning("%s", message)
            self.server.window_show_message(types.ShowMessageParams(types.MessageType.Warning, message))
        if (level := settings[""].log_level) != self._log_level:
            self._log_level = level
            logs.set_level(level)
        self.services.apply(settings)
        self.documents.rebind()
        if (configured := self.services.get("")) is not None:
            self.status.follow(configured.backend)
        self.started.set()

    async def _register(self) -> None:
        searched = any(configured.settings.context_tokens for configured in self.services)
        wanted = registrations(self.client, searched)
        if not wanted:
            return
        try:
            await self.server.client_register_capability_async(types.RegistrationParams(wanted))
        except JsonRpcException as error:
            logger.info("the editor refused the registrations: %s", error)

    def folders_changed(self) -> None:
        """Update the documents' paths and settings after the workspace folders have changed."""
        self.documents.rename_paths()
        self.run_soon(self.reconfigure())

    def files_changed(self, uris: Sequence[str]) -> None:
        """Reload what depends on changed files: a project's settings, and the index that provides context."""
        if any(uri.endswith("/" + PROJECT_FILE) for uri in uris):
            self.run_soon(self.reconfigure(pull=False))
        for configured in self.services:
            configured.service.files_changed(uris)

    async def restart_engine(self) -> None:
        """Restart the engines, including any that were released."""
        if not list(self.services):
            await self.reconfigure(pull=False)
        for backend in {configured.backend for configured in self.services}:
            await backend.restart()

    def give_up_loading(self) -> None:
        """Release the engines and suggest nothing until they are started again."""
        self.services.clear()
        self.documents.rebind()
        self.status.stop("loading was cancelled; the command aix.restartEngine resumes it")

    def give_up_indexing(self) -> None:
        """Use no context from other files for the rest of the session."""
        self.status.indexing.end()
        for configured in self.services:
            self.run_soon(configured.service.stop_searching())

    def give_up_download(self) -> None:
        """Stop downloading a model; what has been downloaded already is kept."""
        if self.download is not None:
            self.download.cancel()

    def _model_ready(self, model: str) -> None:
        if model == "embedded" and self.trusts_client:
            self.run_soon(self._hint_at_better_model())

    async def _hint_at_better_model(self) -> None:
        from aix_lsp.models import hint

        if said := await files.on_thread(hint.due):
            params = types.ShowMessageParams(types.MessageType.Info, f"aix-lsp: {said}")
            self.server.window_show_message(params)

    async def _pull(self) -> None:
        folders = ["", *(folder.uri for folder in self.workspace.folders)]
        items = [types.ConfigurationItem(scope_uri=uri or None, section=SECTION) for uri in folders]
        try:
            async with asyncio.timeout(CONFIGURATION_WAIT_S):
                answers = await self.server.workspace_configuration_async(types.ConfigurationParams(items))
        except (TimeoutError, JsonRpcException) as error:
            logger.warning("the editor did not send its settings: %s", error or "no answer")
            return
        if isinstance(answers, list):  # a client may answer anything
            given = dict(zip(folders, answers, strict=False))
            self.configuration.set_pulled({f: v for f, v in given.items() if isinstance(v, Mapping)})

    def run_soon(self, work: Any) -> None:
        """Run a coroutine in the background, at most until the session ends; failures are logged."""
        task = asyncio.ensure_future(work)
        self._background.add(task)
        task.add_done_callback(self._background_done)

    def _background_done(self, task: asyncio.Task[Any]) -> None:
        self._background.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("work in the background failed", exc_info=error)

    async def close(self) -> None:
        """Release everything, whatever state the session is in."""
        await self.protocol.cancel_all()
        while background := list(self._background):  # a request or a change of status may have started more
            for task in background:
                task.cancel()
            await asyncio.gather(*background, return_exceptions=True)
        self.status.stop()
        await self.services.close()
