"""Sends requests to a remote backend, for its tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aix_lsp.backends.base import (
    BackendStatus,
    GenerateRequest,
    Usage,
)
from aix_lsp.backends.openai import OpenAIBackend
from aix_lsp.fim.prompt import ContextFile, FimPrompt
from aix_lsp.settings import Settings
from tests.backends.servers import CompletionsServer

PROMPT = FimPrompt(
    "x = ", "\nprint(x)\n", path="a.py", language="python", context=(ContextFile("b.py", "y = 1\n"),)
)
REQUEST = GenerateRequest(PROMPT, heal=False)


@asynccontextmanager
async def backend(server: CompletionsServer, **settings: Any) -> AsyncIterator[OpenAIBackend]:
    """A backend after its first attempt to find the server, successful or not."""
    found = OpenAIBackend(Settings(url=settings.pop("url", server.url), **settings))
    try:
        await settled(found)
        yield found
    finally:
        await found.close()


async def settled(found: OpenAIBackend) -> BackendStatus:
    changed = asyncio.Event()
    unsubscribe = found.on_status(lambda _: changed.set())
    async with asyncio.timeout(60):
        while found.status.state in ("starting", "loading"):
            await changed.wait()
            changed.clear()
    unsubscribe()
    return found.status


async def collect(
    found: OpenAIBackend, request: GenerateRequest = REQUEST
) -> tuple[str, str | None, Usage | None]:
    text, reason, cost = "", None, None
    async for item in found.generate(request):
        if isinstance(item, Usage):
            cost = item
        else:
            text += item.text
            reason = item.finish_reason or reason
    return text, reason, cost


def model(name: str, owner: str, **rest: Any) -> dict[str, Any]:
    return {"data": [{"id": name, "owned_by": owner, **rest}]}
