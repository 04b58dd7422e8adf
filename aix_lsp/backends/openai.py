"""A backend behind an OpenAI-style completions server somewhere else. Knows no tokens.

What such servers lack is done here on text: token healing, more than four stop strings, deadlines.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import replace

from aix_lsp.backends.address import parse
from aix_lsp.backends.base import (
    BackendError,
    BackendStatus,
    BackendUnavailable,
    Delta,
    GenerateRequest,
    Usage,
)
from aix_lsp.backends.client import Client
from aix_lsp.backends.corpus import CorpusUploader
from aix_lsp.backends.dialects import Dialect, EngineDialect, SuffixDialect
from aix_lsp.backends.discovery import Server, discover
from aix_lsp.backends.emulation import EmulatedStream, cut_word
from aix_lsp.backends.status import StatusBoard
from aix_lsp.settings.table import Settings

log = logging.getLogger(__name__)

_RETRY_S = (1.0, 2.0, 5.0, 10.0, 30.0)
_ASK_AGAIN_S = 10.0
_LOOKING = BackendStatus("starting", "looking for the server at aix.url")
_SUFFIX = re.compile(r"\bsuffix\b", re.IGNORECASE)


class OpenAIBackend:
    """Generations from the server at `settings.url`. Made on a running event loop, and used on that only."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._board = StatusBoard(_LOOKING)
        self._server: Server | None = None
        self._client: Client | None = None
        self._search: asyncio.Task[None] | None = None
        self._searched = 0.0
        self._uploader = CorpusUploader()
        try:
            self._client = Client(parse(settings.url), _key(settings))
        except BackendError as error:
            self._board.set(BackendStatus("error", str(error)))
        self._search_again()

    @property
    def status(self) -> BackendStatus:
        return self._board.status

    def on_status(self, listener: Callable[[BackendStatus], None]) -> Callable[[], None]:
        """Call `listener` at each change of status; the returned function ends that."""
        return self._board.subscribe(listener)

    async def restart(self) -> None:
        """Look for the server afresh; it may have changed its model."""
        self._server = None
        self._board.set(_LOOKING)
        self._search_again()

    async def close(self) -> None:
        """Let go of the server."""
        if self._search is not None:
            self._search.cancel()
        await self._uploader.close()
        if self._client is not None:
            await self._client.close()
        self._board.set(BackendStatus("stopped"))

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Delta | Usage]:
        """See Backend.generate."""
        server, client = self._found()
        if isinstance(server.dialect, EngineDialect):
            self._uploader.provide(client, request.library)
        try:
            async with aclosing(_generate(client, server.dialect, request)) as events:
                async for event in events:
                    yield event
        except BackendUnavailable:
            self._search_again()
            raise
        except BackendError as error:
            if not self._without_suffix(server, error):
                raise
            raise BackendUnavailable(str(error)) from error

    def _found(self) -> tuple[Server, Client]:
        if self._server is not None and self._client is not None:
            return self._server, self._client
        status = self._board.status
        if status.state == "error":
            if asyncio.get_running_loop().time() > self._searched + _ASK_AGAIN_S:
                self._search_again()
            raise BackendError(status.message)
        raise BackendUnavailable(status.message)

    def _without_suffix(self, server: Server, error: BackendError) -> bool:
        """Whether the server takes no suffix; then, from now on, the prefix alone is sent to be continued."""
        dialect = server.dialect
        if (
            not isinstance(dialect, SuffixDialect)
            or not dialect.with_suffix
            or not _SUFFIX.search(str(error))
        ):
            return False
        log.warning(
            "%s takes no suffix, so suggestions will not know what follows the cursor. "
            "Set aix.fimFamily to the family of the model.",
            server.model.name or "The server",
        )
        model = replace(server.model, fim=False)
        self._server = Server(replace(dialect, with_suffix=False), model)
        self._board.set(BackendStatus("ready", model=model))
        return True

    def _search_again(self) -> None:
        if self._client is not None and (self._search is None or self._search.done()):
            self._searched = asyncio.get_running_loop().time()
            self._search = asyncio.create_task(self._look(self._client))

    async def _look(self, client: Client) -> None:
        for attempt in range(1_000_000):
            try:
                self._server = await discover(client, self._settings)
            except BackendUnavailable as error:
                self._server = None
                self._board.set(BackendStatus("starting", str(error)))
                await asyncio.sleep(_RETRY_S[min(attempt, len(_RETRY_S) - 1)])
            except BackendError as error:
                self._server = None
                self._board.set(BackendStatus("error", str(error)))
                return
            else:
                _warn_of_open_key(client, self._settings)
                self._board.set(BackendStatus("ready", model=self._server.model))
                return


async def _generate(
    client: Client, dialect: Dialect, request: GenerateRequest
) -> AsyncGenerator[Delta | Usage]:
    if dialect.heals_itself:
        async with aclosing(_ask(client, dialect, request)) as events:
            async for event in events:
                yield event
        return
    prompt, word = cut_word(request.prompt) if request.heal else (request.prompt, "")
    # The answer repeats the word first; a token holds at least one character of it.
    healed = replace(request, prompt=prompt, max_tokens=request.max_tokens + len(word))
    answer = EmulatedStream(request, word, request.stop)
    loop = asyncio.get_running_loop()
    until = None if request.deadline_ms is None else loop.time() + request.deadline_ms / 1000
    async with aclosing(_heal(client, dialect, healed, answer, until)) as events:
        async for event in events:
            yield event
    if answer.useless:
        # The model would rather see another word there: ask for the word at the cursor, token cut or not.
        plain = EmulatedStream(request, "", request.stop)
        async with aclosing(_heal(client, dialect, request, plain, until)) as events:
            async for event in events:
                yield event


async def _heal(
    client: Client, dialect: Dialect, request: GenerateRequest, answer: EmulatedStream, until: float | None
) -> AsyncGenerator[Delta | Usage]:
    """The stream of `request`, of which the user gets what `answer` lets through.

    It ends when the event loop's clock shows `until`.
    """
    async with aclosing(_ask(client, dialect, request)) as events:
        while not answer.cut_short:
            try:
                async with asyncio.timeout_at(until):
                    event = await anext(events)
            except StopAsyncIteration:
                break
            except TimeoutError:
                for delta in answer.end("length"):
                    yield delta
                return
            if isinstance(event, Usage):
                yield event
            elif (taken := answer.take(event)) and not answer.useless:
                yield taken
    if not answer.useless:
        for delta in answer.end("stop"):
            yield delta


async def _ask(client: Client, dialect: Dialect, request: GenerateRequest) -> AsyncGenerator[Delta | Usage]:
    async with aclosing(client.events(dialect.url(client.address), dialect.body(request))) as events:
        async for event in events:
            for item in dialect.read(event):
                yield item


def _key(settings: Settings) -> str:
    return settings.api_key or os.environ.get("AIX_LSP_API_KEY", "")


def _warn_of_open_key(client: Client, settings: Settings) -> None:
    if _key(settings) and client.address.root.startswith("http:") and not client.address.local:
        log.warning("The key for %s travels unencrypted: use https.", client.address)
