"""`textDocument/inlineCompletion` (LSP 3.18) and `aix/inlineCompletion`, which streams a growing text."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import Any

import attrs
from lsprotocol import types

from aix_lsp.completion.request import CompletionRequest, SelectedCompletion, Suggestion, Update
from aix_lsp.lsp.documents import RequestPosition
from aix_lsp.lsp.positions import from_wire
from aix_lsp.lsp.requests.suggestions import accept_command, at_cursor, suggest
from aix_lsp.lsp.session import CandidateList, Session


@attrs.define
class Params(types.InlineCompletionParams):
    """The params with the partial result token, which LSP 3.18 has and lsprotocol's type lacks."""

    partial_result_token: types.ProgressToken | None = attrs.field(default=None)


def inline_completion(session: Session, params: Params) -> Any:
    """The standard request. With a partial result token, the items are sent there, and the answer has none."""
    return _answer(session, params, "inline", _inline)


def stream_inline_completion(session: Session, params: Params) -> Any:
    """Our extension: each progress value contains the whole text so far, since ghost text grows in place."""
    return _answer(session, params, "stream", _stream)


_NOTHING: dict[str, Any] = {"items": []}
_Stream = AsyncGenerator[Update, None]


async def _inline(
    session: Session, position: RequestPosition, request: CompletionRequest, stream: _Stream, token: Any
) -> Any:
    found = await _collected(session, position, request, stream)
    items = [inline_item(session, position, request, suggestion) for suggestion in found]
    if token is None or not items:
        return {"items": items}
    session.protocol.notify("$/progress", {"token": token, "value": items})
    return {"items": []}


async def _stream(
    session: Session, position: RequestPosition, request: CompletionRequest, stream: _Stream, token: Any
) -> Any:
    progress = _TextProgress(session, token)

    def tell(suggestions: Sequence[Suggestion], *, done: bool = False) -> None:
        progress.report(_text_so_far(position, request, suggestions), done=done)

    found = await _collected(session, position, request, stream, tell)
    tell(found, done=True)
    return {"items": [inline_item(session, position, request, s) | {"data": usage(s)} for s in found]}


async def _collected(
    session: Session,
    position: RequestPosition,
    request: CompletionRequest,
    stream: _Stream,
    tell: Callable[[Sequence[Suggestion]], None] = lambda suggestions: None,
) -> tuple[Suggestion, ...]:
    """The final suggestions, of which a client shows the first; they are kept for the commands that show the others."""
    found: tuple[Suggestion, ...] = ()
    async with aclosing(stream):
        async for update in stream:
            found = update.suggestions
            tell(found)
    if found:
        session.candidates[position.document.snapshot.uri] = CandidateList(position, request, found)
    return found


def _answer(session: Session, params: Params, channel: str, collect: Callable[..., Awaitable[Any]]) -> Any:
    def go(position: RequestPosition) -> Any:
        request = _request(session, position, params.context, channel)
        stream = suggest(session, request)
        return collect(session, position, request, stream, params.partial_result_token)

    return at_cursor(session, params, go, _NOTHING)


def _request(
    session: Session, position: RequestPosition, context: types.InlineCompletionContext, channel: str
) -> CompletionRequest:
    invoked = context.trigger_kind is types.InlineCompletionTriggerKind.Invoked
    document = position.document
    return CompletionRequest(
        document=document.whole,
        position=document.into_whole(position.cursor),
        trigger="invoked" if invoked else "automatic",
        channel=channel,
        candidates=session.settings_for(document.snapshot).candidates if invoked else 1,
        selected=_selected(position, context.selected_completion_info),
    )


def _selected(
    position: RequestPosition, info: types.SelectedCompletionInfo | None
) -> SelectedCompletion | None:
    """The popup's selected item; None if its range does not start on the cursor's line, before the cursor."""
    if info is None:
        return None
    wire, document = info.range.start, position.document
    start = from_wire(document.snapshot.text, wire.line, wire.character, position.encoding)
    if start > position.cursor or start.line != position.cursor.line:
        return None
    return SelectedCompletion(document.into_whole(start), info.text)


def inline_item(
    session: Session, position: RequestPosition, request: CompletionRequest, suggestion: Suggestion
) -> dict[str, Any]:
    """One suggestion as an item; the session remembers it for the client's feedback."""
    text, span = _span(position, request, suggestion)
    session.remember(position.document, suggestion)
    return {"insertText": text, "range": span, "command": accept_command(suggestion)}


def usage(suggestion: Suggestion) -> dict[str, Any]:
    """An item's data: the suggestion's id, where it came from, and what it took in tokens and milliseconds."""
    return {
        "id": suggestion.id,
        "source": suggestion.source,
        "promptTokens": suggestion.prompt_tokens,
        "reusedTokens": suggestion.reused_tokens,
        "completionTokens": suggestion.completion_tokens,
        "firstTextMs": round(suggestion.first_text_ms, 3),
        "totalMs": round(suggestion.total_ms, 3),
    }


def _text_so_far(
    position: RequestPosition, request: CompletionRequest, suggestions: Sequence[Suggestion]
) -> dict[str, Any]:
    """The best candidate so far, with its range, so that a client can accept it before the answer arrives."""
    if not suggestions:
        return {"text": ""}
    text, span = _span(position, request, suggestions[0])
    return {"text": text, "range": span}


def _span(
    position: RequestPosition, request: CompletionRequest, suggestion: Suggestion
) -> tuple[str, types.Range]:
    """Text and range; they start at the selected popup item, or without one, at the cursor."""
    start, text = position.cursor, suggestion.text
    if request.selected is not None:
        start = position.document.out_of_whole(request.selected.start)
        text = request.selected.text + text
    return text, position.range(start, position.right_of(suggestion.replace_right))


class _TextProgress:
    """Sends the text whenever it has changed, numbered so that a client can detect gaps."""

    def __init__(self, session: Session, token: types.ProgressToken | None) -> None:
        self._session = session
        self._token = token
        self._sequence = 0
        self._text = ""

    def report(self, so_far: dict[str, Any], *, done: bool) -> None:
        text = so_far["text"]
        if self._token is None or (text == self._text and not done):
            return
        value = so_far | {"sequence": self._sequence, "done": done}
        self._session.protocol.notify(
            "$/progress", {"token": self._token, "value": value}, droppable=not done
        )
        self._sequence += 1
        self._text = text
