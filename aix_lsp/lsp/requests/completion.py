"""`textDocument/completion` and `completionItem/resolve`."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable
from contextlib import aclosing
from typing import Any

from lsprotocol import types
from pygls.exceptions import JsonRpcException

from aix_lsp.completion.request import CompletionRequest, Suggestion, Trigger, Update
from aix_lsp.lsp.documents import RequestPosition
from aix_lsp.lsp.jsonrpc import INVALID_PARAMS
from aix_lsp.lsp.requests.popup_items import PopupItems, documentation, first_line
from aix_lsp.lsp.requests.suggestions import at_cursor, suggest
from aix_lsp.lsp.session import Session

_PAUSE_S = 1.0
"""A request this long after the last edit was triggered by hand. Clients send the same trigger kind for both."""


_NOTHING = types.CompletionList(is_incomplete=False, items=[])


def completion(
    session: Session, params: types.CompletionParams
) -> types.CompletionList | Awaitable[types.CompletionList]:
    return at_cursor(session, params, lambda position: _complete(session, params, position), _NOTHING)


def _complete(
    session: Session, params: types.CompletionParams, position: RequestPosition
) -> types.CompletionList | Awaitable[types.CompletionList]:
    document = position.document
    settings = session.settings_for(document.snapshot)
    if not settings.popup:
        return _NOTHING
    trigger = _trigger(session, params)
    request = CompletionRequest(
        document=document.whole,
        position=document.into_whole(position.cursor),
        trigger=trigger,
        channel="popup",
        candidates=settings.candidates if trigger == "invoked" else 1,
    )
    items = PopupItems(position, session.client, settings.popup_first)
    answer = _GrowingAnswer(session, items, params.partial_result_token)
    return answer.collect(suggest(session, request))


def resolve(session: Session, item: Any) -> dict[str, Any]:
    """Add the documentation, if the suggestion is still known.

    The item is read as plain JSON, so that it is returned with all its fields.
    """
    if not isinstance(item, dict) or not isinstance(item.get("label"), str):
        raise JsonRpcException("invalid params: expected a completion item", INVALID_PARAMS)
    data = item.get("data")
    id = data.get("id") if isinstance(data, dict) else None
    shown = session.shown.get(id) if isinstance(id, str) else None
    if shown is None or "documentation" in item:
        return item
    return item | {"documentation": documentation(shown.text, shown.language, session.client)}


class _GrowingAnswer:
    """An answer that grows. With a partial result token, items go out as soon as they will not change.

    A partial result can only append items, so a text that is still growing shows its first line, when that is
    complete, as an item of its own.
    """

    def __init__(self, session: Session, items: PopupItems, token: Any) -> None:
        self._session = session
        self._items = items
        self._token = token
        self._sent: list[str] = []
        self._last = Update((), False)

    async def collect(self, stream: AsyncGenerator[Update, None]) -> types.CompletionList:
        async with aclosing(stream):
            async for update in stream:
                self._add(update)
        return self._final()

    def _add(self, update: Update) -> None:
        self._last = update
        if self._token is None or not update.suggestions:
            return
        fixed = update.suggestions if update.done else ()
        lines = (first_line(suggestion) for suggestion in update.suggestions)
        self._send([*(line for line in lines if line is not None), *fixed])

    def _final(self) -> types.CompletionList:
        """The whole list, or an empty one after partial results."""
        suggestions = () if self._sent else map(self._items.insertable, self._last.suggestions)
        made = [self._make(suggestion, rank) for rank, suggestion in enumerate(filter(None, suggestions))]
        return self._items.list_of(made)

    def _send(self, suggestions: list[Suggestion]) -> None:
        # Candidates may share their first line.
        fresh = [s for text, s in {s.text: s for s in suggestions}.items() if text not in self._sent]
        if not fresh:
            return
        first = not self._sent
        made = [self._make(suggestion, len(self._sent) + i) for i, suggestion in enumerate(fresh)]
        self._sent += [s.text for s in fresh]
        # The first partial result is a list, which alone can say "incomplete"; the others append to it.
        value = self._items.list_of(made) if first else made
        self._session.protocol.notify("$/progress", {"token": self._token, "value": value})

    def _make(self, suggestion: Suggestion, rank: int) -> types.CompletionItem:
        self._session.remember(self._items.position.document, suggestion)
        return self._items.item(suggestion, rank)


def _trigger(session: Session, params: types.CompletionParams) -> Trigger:
    context = params.context
    by_hand = context is not None and context.trigger_kind is types.CompletionTriggerKind.Invoked
    paused = session.documents.since_edit(params.text_document.uri) > _PAUSE_S
    return "invoked" if by_hand and paused else "automatic"
