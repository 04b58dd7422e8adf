"""`textDocument/inlineCompletion` (LSP 3.18) and `aix/inlineCompletion`, which streams a growing text."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import Any

import attrs
from lsprotocol import types

from aix_lsp.completion.suggestion import Ask, SelectedCompletion, Update
from aix_lsp.lsp.requests.asking import Place, once_started, updates
from aix_lsp.lsp.requests.candidates import offer
from aix_lsp.lsp.requests.inline_items import cost, growth, item
from aix_lsp.lsp.session import Session


@attrs.define
class Params(types.InlineCompletionParams):
    """With the partial result token, which LSP 3.18 has and lsprotocol's type lacks."""

    partial_result_token: types.ProgressToken | None = attrs.field(default=None)


def inline_completion(session: Session, params: Params) -> Any:
    """The standard request. A partial result token gets the finished items, the answer then none."""
    return _answer(session, params, "inline", _inline)


def stream_inline_completion(session: Session, params: Params) -> Any:
    """Our own: each progress value has the whole text so far, since ghost text grows in place."""
    return _answer(session, params, "stream", _stream)


_NOTHING: dict[str, Any] = {"items": []}
_Stream = AsyncGenerator[Update, None]


async def _inline(place: Place, ask: Ask, stream: _Stream, token: Any) -> Any:
    last = Update((), True)
    async with aclosing(stream):
        async for update in stream:
            last = update
    offer(place, ask, last.suggestions)
    items = [item(place, ask, suggestion) for suggestion in last.suggestions]
    if token is None or not items:
        return {"items": items}
    place.session.protocol.notify("$/progress", {"token": token, "value": items})
    return {"items": []}


async def _stream(place: Place, ask: Ask, stream: _Stream, token: Any) -> Any:
    progress = _TextProgress(place.session, token)
    last = Update((), True)
    async with aclosing(stream):
        async for update in stream:
            progress.report(growth(place, ask, update.suggestions), done=False)
            last = update
    offer(place, ask, last.suggestions)
    progress.report(growth(place, ask, last.suggestions), done=True)
    return {"items": [item(place, ask, s) | {"data": cost(s)} for s in last.suggestions]}


def _answer(session: Session, params: Params, channel: str, collect: Callable[..., Awaitable[Any]]) -> Any:
    target = session.documents.target(params.text_document.uri)
    if target is None:
        return _NOTHING

    def go() -> Any:
        if not session.is_active(target):
            return _NOTHING
        place = Place.of(session, target, params.position)
        ask = _ask(place, params.context, channel)
        return collect(place, ask, updates(place, ask), params.partial_result_token)

    return once_started(session, go, _NOTHING)


def _ask(place: Place, context: types.InlineCompletionContext, channel: str) -> Ask:
    invoked = context.trigger_kind is types.InlineCompletionTriggerKind.Invoked
    settings = place.session.settings_for(place.target.document)
    return Ask(
        document=place.target.whole,
        cursor=place.target.into_whole(place.cursor),
        trigger="invoked" if invoked else "automatic",
        channel=channel,
        candidates=settings.candidates if invoked else 1,
        selected=_selected(place, context.selected_completion_info),
    )


def _selected(place: Place, info: types.SelectedCompletionInfo | None) -> SelectedCompletion | None:
    """The popup's selected entry; one whose range does not end at the cursor's line says nothing usable."""
    if info is None:
        return None
    wire = info.range.start
    start = place.session.documents.store.from_wire(place.target.document.text, (wire.line, wire.character))
    if start > place.cursor or start.line != place.cursor.line:
        return None
    return SelectedCompletion(place.target.into_whole(start), info.text)


class _TextProgress:
    """Sends the text each time that it has changed, numbered so that a client can tell a gap."""

    def __init__(self, session: Session, token: types.ProgressToken | None) -> None:
        self._session = session
        self._token = token
        self._sequence = 0
        self._text = ""

    def report(self, growth: dict[str, Any], *, done: bool) -> None:
        text = growth["text"]
        if self._token is None or (text == self._text and not done):
            return
        value = growth | {"sequence": self._sequence, "done": done}
        self._session.protocol.notify(
            "$/progress", {"token": self._token, "value": value}, droppable=not done
        )
        self._sequence += 1
        self._text = text
