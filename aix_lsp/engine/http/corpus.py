"""POST /aix/corpus: what a client works beside, sent once and named by digest later. Knows HTTP; no tokens."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

from starlette.types import Receive, Scope, Send

from aix_lsp.engine.http.completions import LARGEST_BODY, TooLarge, read_body
from aix_lsp.engine.http.parameters import BadField, parse_texts
from aix_lsp.engine.http.sse import send_error, send_json
from aix_lsp.engine.served import ServedModel


class Texts:
    """The endpoint. `served` gives the model, or None while there is none."""

    def __init__(self, served: Callable[[], ServedModel | None]) -> None:
        self._served = served

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        served = self._served()
        if served is None:
            await send_error(send, 503, "the model is not ready; /health tells its state", "loading")
            return
        try:
            texts = parse_texts(json.loads(await read_body(scope, receive)))
        except TooLarge:
            await send_error(send, 413, f"the body is over {LARGEST_BODY >> 20} MiB", "too_large")
        except (ValueError, RecursionError) as error:
            message = str(error) if isinstance(error, BadField) else "the body is not JSON in UTF-8"
            await send_error(send, 400, message, "bad_request")
        else:
            await asyncio.to_thread(served.corpus.add, texts)
            await send_json(send, 200, {"texts": len(texts)})
