"""POST /v1/completions: an ASGI endpoint for a served model. Knows HTTP and JSON, no tokens or scheduling."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any

from starlette.types import Receive, Scope, Send

from aix_lsp.engine.engine import EngineStopped, QueueFull
from aix_lsp.engine.events import Event, Failed, Finished, Piece, Started, joined
from aix_lsp.engine.http.body import BadBody, BodyBudget
from aix_lsp.engine.http.sse import DONE, error_json, frame, send_error, send_events, send_json, watch
from aix_lsp.engine.parameters import BadField, CompletionParameters, parse
from aix_lsp.engine.served import ServedModel
from aix_lsp.engine.stream import EventStream
from aix_lsp.engine.text.layout import PromptTooLong

_AGAIN = {"retry-after": "1"}
_QUICKLY_PARSED = 64 << 10
"""Bodies of up to this many bytes are parsed on the event loop, in well under a millisecond."""


class Completions:
    """The endpoint. `served` returns the model, or None before it is loaded."""

    def __init__(self, served: Callable[[], ServedModel | None], budget: BodyBudget) -> None:
        self._served = served
        self._budget = budget

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        served = self._served()
        if served is None:
            await send_error(send, 503, "the model is not ready; /health tells its state", "loading", _AGAIN)
            return
        try:
            async with self._budget.reading(scope, receive) as body:
                asked = await _parse(body, served)
                stream = await served.complete(asked, scope.get("aix.account"))
        except BadBody as error:
            await error.answer(send)
        except BadField as error:
            await send_error(send, 400, str(error), "bad_request")
        except PromptTooLong as error:
            await send_error(send, 422, str(error), "prompt_too_long")
        except QueueFull as error:
            await send_error(send, 429, str(error), "queue_full", _AGAIN)
        except EngineStopped as error:
            await send_error(send, 503, str(error), "stopping", _AGAIN)
        else:
            answer = _Answer(served.card.name, asked)
            if asked.stream:
                await send_events(answer.frames(stream), stream.cancel, receive, send)
            else:
                await _send_whole(answer, stream, receive, send)


async def _parse(body: bytes, served: ServedModel) -> CompletionParameters:
    if len(body) <= _QUICKLY_PARSED:
        return parse(body)
    return await served.run_on(served.quick_work, partial(parse, body))


async def _send_whole(answer: _Answer, stream: EventStream, receive: Receive, send: Send) -> None:
    watcher = asyncio.create_task(watch(receive, stream.cancel))
    try:
        value, failure = await answer.whole(stream)
    finally:
        watcher.cancel()
    if failure:
        await send_error(send, 500, failure, "failed")
    else:
        await send_json(send, 200, value)


class _Answer:
    """Turns one completion's events into OpenAI's JSON."""

    def __init__(self, model: str, asked: CompletionParameters) -> None:
        self._head = {
            "id": f"cmpl-{uuid.uuid4().hex}",
            "object": "text_completion",
            "created": int(time.time()),
            "model": model,
        }
        self._logprobs = asked.logprobs

    async def frames(self, stream: EventStream) -> AsyncIterator[bytes]:
        """Server-sent events; events that are available together are sent together."""
        ended = False
        while not ended:
            events = await stream.batch()
            ended = isinstance(events[-1], Finished | Failed)
            yield b"".join(map(self._frame, events)) + (DONE if ended else b"")

    def _frame(self, event: Event) -> bytes:
        if isinstance(event, Piece):
            return frame({**self._head, "choices": [self._choice(event)]})
        if isinstance(event, Failed):
            return frame(error_json(event.message, "server_error", "failed"))
        if isinstance(event, Started):
            cost = {"prompt_tokens": event.prompt_tokens, "cached_tokens": event.cached_tokens}
            return frame({**self._head, "choices": [], "aix": {**cost, **_waits(event)}})
        return frame({**self._head, "choices": [], **_cost(event)})

    async def whole(self, stream: EventStream) -> tuple[dict[str, Any], str]:
        """(the complete answer as JSON, or why there is none)."""
        pieces: dict[int, list[Piece]] = {}
        async for event in stream:
            if isinstance(event, Failed):
                return {}, event.message
            if isinstance(event, Finished):
                choices = [self._choice(joined(pieces[index])) for index in sorted(pieces)]
                return {**self._head, "choices": choices, **_cost(event)}, ""
            if isinstance(event, Piece):
                pieces.setdefault(event.index, []).append(event)
        return {}, "the engine gave no end"

    def _choice(self, piece: Piece) -> dict[str, Any]:
        return {
            "index": piece.index,
            "text": piece.text,
            "finish_reason": piece.reason,
            "logprobs": self._described(piece),
            "aix": {"tokens": piece.tokens, "logprob": round(piece.logprob, 6)},
        }

    def _described(self, piece: Piece) -> dict[str, Any] | None:
        if self._logprobs is None:
            return None
        described = piece.logprobs
        return {
            "tokens": [token.text for token in described],
            "token_logprobs": [token.logprob for token in described],
            "top_logprobs": [dict(token.top) for token in described] if self._logprobs else None,
        }


def _waits(event: Started | Finished) -> dict[str, float]:
    return {"queue_ms": round(event.queue_ms, 3), "first_token_ms": round(event.first_token_ms, 3)}


def _cost(finished: Finished) -> dict[str, Any]:
    return {
        "usage": {
            "prompt_tokens": finished.prompt_tokens,
            "cached_tokens": finished.cached_tokens,
            "completion_tokens": finished.completion_tokens,
            "total_tokens": finished.prompt_tokens + finished.completion_tokens,
        },
        "aix": _waits(finished),
    }
