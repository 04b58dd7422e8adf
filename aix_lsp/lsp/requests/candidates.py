"""The commands for the next and the previous candidate: one at a time, for clients that keep none themselves."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any

from lsprotocol import types
from pygls.exceptions import JsonRpcException

from aix_lsp.completion.suggestion import Ask, Suggestion
from aix_lsp.lsp.messages import INVALID_PARAMS
from aix_lsp.lsp.requests.asking import Place, updates
from aix_lsp.lsp.requests.inline_items import cost, item
from aix_lsp.lsp.session import Session
from aix_lsp.lsp.target import Target

_CHANNEL = "candidates"


@dataclass(frozen=True, slots=True)
class Offer:
    """What a client was last given for a document, and which of it is shown."""

    place: Place
    ask: Ask
    suggestions: tuple[Suggestion, ...]
    shown: int = 0

    def holds(self, target: Target) -> bool:
        """Whether the document is still as it was."""
        return self.place.target.document.text is target.document.text


def offer(place: Place, ask: Ask, suggestions: Sequence[Suggestion]) -> None:
    """Note what a client is given at a place, of which it shows the first."""
    if suggestions:
        place.session.offers[place.target.document.uri] = Offer(place, ask, tuple(suggestions))


def stepping(by: int) -> Callable[[Session, list[Any]], Coroutine[Any, Any, Any]]:
    """The command that goes `by` candidates on, round and round.

    `[uri]` is about the suggestion that is shown in that document; `[{textDocument, position}]` is also for
    places where nothing is shown. The answer is an item as `aix/inlineCompletion` gives it, whose data tell
    its `index` and the `count`; null where there is none, or where the document has changed since.
    """

    def step(session: Session, arguments: list[Any]) -> Coroutine[Any, Any, Any]:
        uri, position = _where(arguments[0] if arguments else None)
        target = session.documents.target(uri)
        at = None if target is None else _offered(session, target, position)
        return _step(at, by)

    return step


async def _step(at: Offer | None, by: int) -> Any:
    if at is None:
        return None
    fresh = not at.suggestions
    if len(at.suggestions) < 2:
        at = await _asked(at)
    count = len(at.suggestions)
    if not count:
        return None
    first = 0 if by > 0 else count - 1
    at = replace(at, shown=first if fresh else (at.shown + by) % count)
    at.place.session.offers[at.place.target.document.uri] = at
    suggestion = at.suggestions[at.shown]
    told = cost(suggestion) | {"index": at.shown, "count": count}
    return item(at.place, at.ask, suggestion) | {"data": told}


async def _asked(at: Offer) -> Offer:
    """The offer with all candidates of its place; what was given before comes first."""
    found: tuple[Suggestion, ...] = ()
    async with aclosing(updates(at.place, at.ask)) as stream:
        async for update in stream:
            found = update.suggestions
    fresh = tuple(new for new in found if all(new.text != old.text for old in at.suggestions))
    return replace(at, suggestions=at.suggestions + fresh)


def _offered(session: Session, target: Target, position: types.Position | None) -> Offer | None:
    """What is shown in a document, or an offer of nothing yet at the position."""
    if not session.is_active(target):
        return None
    settings = session.settings_for(target.document)
    at = session.offers.get(target.document.uri)
    if at is not None and not at.holds(target):
        at = None
    place = None if position is None else Place.of(session, target, position)
    if place is not None and (at is None or at.place.cursor != place.cursor):
        at = Offer(place, Ask(target.whole, target.into_whole(place.cursor)), ())
    if at is None:
        return None
    ask = replace(at.ask, trigger="invoked", channel=_CHANNEL, candidates=max(2, settings.candidates))
    return replace(at, ask=ask)


def _where(argument: Any) -> tuple[str, types.Position | None]:
    if isinstance(argument, str):
        return argument, None
    try:
        position = argument.get("position") if isinstance(argument, Mapping) else None
        place = None if position is None else types.Position(position["line"], position["character"])
        uri = argument["textDocument"]["uri"]
    except (TypeError, KeyError, ValueError):
        uri = None
    if not isinstance(uri, str):
        raise JsonRpcException("expected a document's URI, or {textDocument, position}", INVALID_PARAMS)
    return uri, place
