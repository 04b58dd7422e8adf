"""From a request's params to an `Ask`, and from the service's updates to answers or LSP errors."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from lsprotocol import types
from pygls.exceptions import JsonRpcException

from aix_lsp.completion.document import Position
from aix_lsp.completion.suggestion import Ask, ContentModified, Superseded, Update
from aix_lsp.lsp.messages import CONTENT_MODIFIED, SERVER_CANCELLED
from aix_lsp.lsp.received import Target
from aix_lsp.lsp.session import Session

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
        return cls(session, target, session.documents.from_wire(target.document.text, wire))

    @property
    def language(self) -> str:
        return self.target.document.language

    @property
    def line(self) -> str:
        """The cursor's line with its ending."""
        return self.target.document.text.line(self.cursor.line)

    def range(self, start: Position, end: Position) -> types.Range:
        """A span of the client's document as the client counts."""
        text, to_wire = self.target.document.text, self.session.documents.to_wire
        return types.Range(types.Position(*to_wire(text, start)), types.Position(*to_wire(text, end)))

    def right_of(self, characters: int) -> Position:
        """The place `characters` code points right of the cursor, in its line."""
        return Position(self.cursor.line, self.cursor.column + characters)


async def updates(place: Place, ask: Ask) -> AsyncGenerator[Update, None]:
    """The service's updates, the last one with `done`; closing this ends the generation.

    Raises JsonRpcException where the request was superseded or the document has changed.
    """
    settings = place.session.settings_for(place.target.document)
    service = await place.session.service_for(ask.document.uri, settings.deadline_ms / 1000)
    if service is None:
        yield NOTHING
        return
    try:
        async with aclosing(service.suggest(ask)) as stream:
            async for update in stream:
                yield update
    except Superseded as error:
        raise JsonRpcException("a newer request took this one's place", SERVER_CANCELLED) from error
    except ContentModified as error:
        raise JsonRpcException("the document has changed", CONTENT_MODIFIED) from error
