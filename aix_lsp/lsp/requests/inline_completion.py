"""`textDocument/inlineCompletion` (LSP 3.18) and `aix/inlineCompletion`, which streams a growing text."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import Any

import attrs
from lsprotocol import types

from aix_lsp.completion.suggestion import Ask, SelectedCompletion, Suggestion, Update
from aix_lsp.lsp.requests.asking import Place, once_started, updates
from aix_lsp.lsp.requests.popup_items import accepted
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
    items = [_item(place, ask, suggestion) for suggestion in last.suggestions]
    if token is None or not items:
        return {"items": items}
    place.session.protocol.notify("$/progress", {"token": token, "value": items})
    return {"items": []}


async def _stream(place: Place, ask: Ask, stream: _Stream, token: Any) -> Any:
    progress = _TextProgress(place.session, token)
    last = Update((), True)
    async with aclosing(stream):
        async for update in stream:
            progress.report(_growth(place, ask, update.suggestions), done=False)
            last = update
    progress.report(_growth(place, ask, last.suggestions), done=True)
    return {"items": [_item(place, ask, s) | {"data": _cost(s)} for s in last.suggestions]}


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


def _item(place: Place, ask: Ask, suggestion: Suggestion) -> dict[str, Any]:
    text, span = _span(place, ask, suggestion)
    place.session.remember(place.target, suggestion)
    return {
        "insertText": text,
        "range": span,
        "command": accepted(suggestion),
    }


def _growth(place: Place, ask: Ask, suggestions: Sequence[Suggestion]) -> dict[str, Any]:
    """The best candidate so far, with its range, so that a client can take it before the answer comes."""
    if not suggestions:
        return {"text": ""}
    text, span = _span(place, ask, suggestions[0])
    return {"text": text, "range": span}


def _span(place: Place, ask: Ask, suggestion: Suggestion) -> tuple[str, types.Range]:
    """Text and range, which start where the selected popup entry does, else at the cursor."""
    start, text = place.cursor, suggestion.text
    if ask.selected is not None:
        start = place.target.out_of_whole(ask.selected.start)
        text = ask.selected.text + text
    return text, place.range(start, place.right_of(suggestion.replace_right))


def _cost(suggestion: Suggestion) -> dict[str, Any]:
    return {
        "id": suggestion.id,
        "source": suggestion.source,
        "promptTokens": suggestion.prompt_tokens,
        "reusedTokens": suggestion.reused_tokens,
        "completionTokens": suggestion.completion_tokens,
        "firstTextMs": round(suggestion.first_text_ms, 3),
        "totalMs": round(suggestion.total_ms, 3),
    }


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
