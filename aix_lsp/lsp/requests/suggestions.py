"""Starts requests for suggestions when the session is ready, and turns the service's errors into LSP errors."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import TypeVar

from lsprotocol import types
from pygls.exceptions import JsonRpcException

from aix_lsp.completion.request import CompletionRequest, ContentModified, Suggestion, Superseded, Update
from aix_lsp.lsp.documents import RequestPosition
from aix_lsp.lsp.jsonrpc import CONTENT_MODIFIED, SERVER_CANCELLED
from aix_lsp.lsp.positions import units_of
from aix_lsp.lsp.session import Session

ACCEPT = "aix.accept"
T = TypeVar("T")


def at_cursor(
    session: Session,
    params: types.CompletionParams | types.InlineCompletionParams,
    go: Callable[[RequestPosition], T | Awaitable[T]],
    nothing: T,
) -> T | Awaitable[T]:
    """The result of `go` for the cursor of a request: now, or when the settings are known.

    `nothing` if that is after the deadline, or if the document gets no suggestions or is not open.
    """
    document = session.documents.find(params.text_document.uri)
    if document is None:
        return nothing

    def answer() -> T | Awaitable[T]:
        active = session.is_active(document)
        return go(session.position(document, params.position)) if active else nothing

    return answer() if session.started.is_set() else _later(session, answer, nothing)


async def _later(session: Session, go: Callable[[], T | Awaitable[T]], nothing: T) -> T:
    session.start()  # some clients never send `initialized`
    try:
        async with asyncio.timeout(session.configuration.before_start().deadline_ms / 1000):
            await session.started.wait()
            outcome = go()
            return await outcome if isinstance(outcome, Awaitable) else outcome
    except TimeoutError:
        return nothing


def suggest(session: Session, request: CompletionRequest) -> AsyncGenerator[Update, None]:
    """The service's updates, the last one with `done`; closing the iterator stops the generation.

    The service receives the request at once, so that it knows of it when the client sends the next change.
    Iterating raises JsonRpcException if the request was superseded or the document has changed.
    """
    configured = session.service_for(request.document.uri)
    if configured is None:
        return _nothing()  # the user has cancelled loading the model
    session.status.follow(configured.backend)
    return _with_lsp_errors(session, configured.service.suggest(request))


async def _nothing() -> AsyncGenerator[Update, None]:
    yield Update((), True)


async def _with_lsp_errors(
    session: Session, stream: AsyncGenerator[Update, None]
) -> AsyncGenerator[Update, None]:
    try:
        with session.status.busy():
            async with aclosing(stream) as updates:
                async for update in updates:
                    yield update
    except Superseded as error:
        raise JsonRpcException("superseded by a newer request", SERVER_CANCELLED) from error
    except ContentModified as error:
        raise JsonRpcException("the document has changed", CONTENT_MODIFIED) from error


def accept_command(suggestion: Suggestion) -> types.Command:
    """The command that the client runs after it has inserted the suggestion."""
    length = units_of(suggestion.text, len(suggestion.text), "utf-16")
    return types.Command("Accepted", ACCEPT, arguments=[suggestion.id, length])
