"""From a request's params to an `Ask`, and from the service's updates to answers or LSP errors."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import cast

from lsprotocol import types
from pygls.exceptions import JsonRpcException

from aix_lsp.completion.document import Position
from aix_lsp.completion.suggestion import Ask, ContentModified, Superseded, Update
from aix_lsp.lsp.messages import CONTENT_MODIFIED, SERVER_CANCELLED
from aix_lsp.lsp.scopes import Scope
from aix_lsp.lsp.session import Session
from aix_lsp.lsp.target import Target
from aix_lsp.settings import Settings

NOTHING = Update((), True)


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


def updates(place: Place, ask: Ask) -> AsyncGenerator[Update, None]:
    """The service's updates, the last one with `done`; closing this ends the generation.

    The service learns of the ask at once, so that a change that the client sends next finds it there.
    Iterating raises JsonRpcException where the request was superseded or the document has changed.
    """
    scope = place.session.scope_of(ask.document.uri)
    return _updates(place.session, ask, scope, scope.service.suggest(ask) if scope else None)


async def _updates(
    session: Session, ask: Ask, scope: Scope | None, stream: AsyncIterator[Update] | None
) -> AsyncGenerator[Update, None]:
    if stream is None:
        started = await session.wait_for_start(Settings().deadline_ms / 1000)
        scope = session.scope_of(ask.document.uri) if started else None
        stream = scope.service.suggest(ask) if scope else None
    if scope is None or stream is None:
        yield NOTHING
        return
    session.status.follow(scope.lease.backend)
    closing = aclosing(cast("AsyncGenerator[Update, None]", stream))
    try:
        with session.status.asking():
            async with closing as suggestions:
                async for update in suggestions:
                    yield update
    except Superseded as error:
        raise JsonRpcException("a newer request took this one's place", SERVER_CANCELLED) from error
    except ContentModified as error:
        raise JsonRpcException("the document has changed", CONTENT_MODIFIED) from error
