"""From a request's params to an `Ask`, and from the service's updates to answers or LSP errors."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import TypeVar

from lsprotocol import types
from pygls.exceptions import JsonRpcException

from aix_lsp.completion.document import Position
from aix_lsp.completion.suggestion import Ask, ContentModified, Superseded, Update
from aix_lsp.lsp.messages import CONTENT_MODIFIED, SERVER_CANCELLED
from aix_lsp.lsp.session import Session
from aix_lsp.lsp.target import Target

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Place:
    """Where in which document, as it was at receipt; positions in code points of the client's document."""

    session: Session
    target: Target
    cursor: Position

    @classmethod
    def of(cls, session: Session, target: Target, position: types.Position) -> Place:
        wire = (position.line, position.character)
        return cls(session, target, session.documents.store.from_wire(target.document.text, wire))

    @property
    def language(self) -> str:
        return self.target.document.language

    @property
    def line(self) -> str:
        """The cursor's line with its ending."""
        return self.target.document.text.line(self.cursor.line)

    def range(self, start: Position, end: Position) -> types.Range:
        """A span of the client's document as the client counts."""
        text, to_wire = self.target.document.text, self.session.documents.store.to_wire
        return types.Range(types.Position(*to_wire(text, start)), types.Position(*to_wire(text, end)))

    def right_of(self, characters: int) -> Position:
        """The place `characters` code points right of the cursor, in its line."""
        return Position(self.cursor.line, self.cursor.column + characters)


def once_started(session: Session, go: Callable[[], T | Awaitable[T]], nothing: T) -> T | Awaitable[T]:
    """What `go` gives: now, or when the settings are known; `nothing` where that passes the deadline."""
    return go() if session.started.is_set() else _later(session, go, nothing)


async def _later(session: Session, go: Callable[[], T | Awaitable[T]], nothing: T) -> T:
    session.start()  # some clients never say `initialized`
    try:
        async with asyncio.timeout(session.configuration.early().deadline_ms / 1000):
            await session.started.wait()
            outcome = go()
            return await outcome if isinstance(outcome, Awaitable) else outcome
    except TimeoutError:
        return nothing


def updates(place: Place, ask: Ask) -> AsyncGenerator[Update, None]:
    """The service's updates, the last one with `done`; closing this ends the generation.

    The service learns of the ask at once, so that a change that the client sends next finds it there.
    Iterating raises JsonRpcException where the request was superseded or the document has changed.
    """
    scope = place.session.scope_of(ask.document.uri)
    if scope is None:
        return _nothing()  # the user has cancelled the model's loading
    place.session.status.follow(scope.lease.backend)
    return _updates(place.session, scope.service.suggest(ask))


async def _nothing() -> AsyncGenerator[Update, None]:
    yield Update((), True)


async def _updates(session: Session, stream: AsyncGenerator[Update, None]) -> AsyncGenerator[Update, None]:
    try:
        with session.status.asking():
            async with aclosing(stream) as suggestions:
                async for update in suggestions:
                    yield update
    except Superseded as error:
        raise JsonRpcException("a newer request took this one's place", SERVER_CANCELLED) from error
    except ContentModified as error:
        raise JsonRpcException("the document has changed", CONTENT_MODIFIED) from error
