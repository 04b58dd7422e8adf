"""POST /aix/corpus: texts near the client's document, sent once and then referred to by digest. Knows no tokens."""

from __future__ import annotations

from collections.abc import Callable

from starlette.types import Receive, Scope, Send

from aix_lsp.engine.engine import EngineStopped
from aix_lsp.engine.http.body import BadBody, BodyBudget
from aix_lsp.engine.http.sse import send_error, send_json
from aix_lsp.engine.parameters import BadField, parse_texts
from aix_lsp.engine.served import ServedModel

_MOST_WAITING = 16
"""Bodies waiting for their turn; each may take seconds."""


class CorpusTexts:
    """The endpoint. `served` returns the model, or None before it is loaded."""

    def __init__(self, served: Callable[[], ServedModel | None], budget: BodyBudget) -> None:
        self._served = served
        self._budget = budget
        self._waiting = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        served = self._served()
        if served is None:
            await send_error(send, 503, "the model is not ready; /health tells its state", "loading")
            return
        try:
            async with self._budget.reading(scope, receive) as body:
                if self._waiting >= _MOST_WAITING:
                    raise BadBody(429, "too many texts are being sent; try again in a moment", "busy")
                count = await self._add(served, body)
        except BadBody as error:
            await error.answer(send)
        except BadField as error:
            await send_error(send, 400, str(error), "bad_request")
        except EngineStopped as error:
            await send_error(send, 503, str(error), "stopping", {"retry-after": "1"})
        else:
            await send_json(send, 200, {"texts": count})

    async def _add(self, served: ServedModel, body: bytes) -> int:
        def add() -> int:
            texts = parse_texts(body)
            served.corpus.add(texts)
            return len(texts)

        self._waiting += 1
        try:
            return await served.run_on(served.slow_work, add)
        finally:
            self._waiting -= 1
