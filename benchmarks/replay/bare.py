"""The bare model as a side: a completions endpoint with nothing around it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from benchmarks.replay.sides import NOTHING, Offer, SideRequest
from tests.client.buffer import Buffer
from tests.client.own_engine import events, own_engine, post, session_for

TOKENS = 64
PREFIX_LINES, SUFFIX_LINES = 256, 64
"""The lines that the bare model sees: as many as with the server's defaults."""


class Bare:
    """The model behind a completions endpoint, as a first plugin would use it: prefix and suffix, greedy, 64 tokens,
    the first line; no filters, no reuse. The stream is closed at the line's end, or at the next key."""

    def __init__(self, name: str, session: aiohttp.ClientSession, more: Mapping[str, Any]) -> None:
        """`more` are further fields of every request."""
        self.name = name
        self._session = session
        self._more = more
        self._last: _BareRequest | None = None
        self._asked: list[_BareRequest] = []

    async def enter(self, workspace: Path) -> None:
        self._asked = []

    async def leave(self) -> None:
        for asked in self._asked:
            asked.task.cancel()
        await asyncio.gather(*(asked.task for asked in self._asked), return_exceptions=True)

    def open(self, buffer: Buffer) -> None:
        pass

    def changed(self, buffer: Buffer, changes: Sequence[dict[str, Any]]) -> None:
        pass

    def close(self, buffer: Buffer) -> None:
        pass

    async def meanwhile(self, within: float) -> None:
        pass

    def tell(self, event: str, offer: Offer, characters: int = 0) -> None:
        pass

    def ask(self, buffer: Buffer) -> SideRequest:
        if self._last is not None:
            self._last.task.cancel()
        before, after = buffer.text[: buffer.cursor], buffer.text[buffer.cursor :]
        body: dict[str, Any] = {
            "prompt": "".join(before.splitlines(keepends=True)[-PREFIX_LINES:]),
            "suffix": "".join(after.splitlines(keepends=True)[:SUFFIX_LINES]),
            "max_tokens": TOKENS,
            "temperature": 0,
            "stream": True,
        }
        self._last = _BareRequest(self._session, {**body, **self._more})
        self._asked.append(self._last)
        return self._last

    async def counts(self) -> dict[str, float]:
        for ended in await asyncio.gather(*(asked.task for asked in self._asked), return_exceptions=True):
            if isinstance(ended, Exception):
                raise ended
        return {
            "calls": len(self._asked),
            "prompt_tokens": sum(asked.prompt_tokens for asked in self._asked),
            "cached_tokens": sum(asked.cached_tokens for asked in self._asked),
            "tokens": sum(asked.tokens for asked in self._asked),
            "wasted_tokens": sum(asked.tokens for asked in self._asked if asked.final_ms is None),
        }


class _BareRequest:
    """One request to the bare model."""

    def __init__(self, session: aiohttp.ClientSession, body: dict[str, Any]) -> None:
        self.first_ms: float | None = None
        self.final_ms: float | None = None
        self.offer = NOTHING
        self.prompt_tokens = self.cached_tokens = self.tokens = 0
        self._started = time.perf_counter()
        self.task = asyncio.create_task(self._run(session, body))

    @property
    def offers(self) -> tuple[Offer, ...]:
        return (self.offer,) if self.offer.text else ()

    async def settled(self, within: float) -> None:
        await asyncio.wait([self.task], timeout=within)

    async def _run(self, session: aiohttp.ClientSession, body: dict[str, Any]) -> None:
        text = ""
        async with await post(session, body) as answer:
            if answer.status != 200:
                raise RuntimeError(f"{answer.status}: {await answer.text()}")
            async for event in events(answer):
                self._count(event)
                text += "".join(choice["text"] for choice in event.get("choices", ()))
                line, newline, _ = text.partition("\n")
                if line and self.first_ms is None:
                    self.first_ms = self._elapsed_ms
                self.offer = Offer(line) if line.strip() else NOTHING
                if newline:
                    break
        self.final_ms = self._elapsed_ms

    def _count(self, event: Mapping[str, Any]) -> None:
        self.tokens += sum(
            (choice.get("aix") or {"tokens": 1})["tokens"] for choice in event.get("choices", ())
        )
        known = (event.get("aix") or {}) | (event.get("usage") or {})
        self.prompt_tokens = known.get("prompt_tokens", self.prompt_tokens)
        self.cached_tokens = known.get("cached_tokens", self.cached_tokens)

    @property
    def _elapsed_ms(self) -> float:
        return (time.perf_counter() - self._started) * 1000


@asynccontextmanager
async def bare(name: str, settings: Mapping[str, Any], heal: bool = False) -> AsyncIterator[Bare]:
    """The bare model for some settings: an engine of its own with the same model, or the remote server.

    `heal` enables the engine's token healing, which other completions endpoints do not have.
    """
    if settings.get("url"):
        async with session_for(settings["url"]) as session:
            model = settings.get("remoteModel")
            yield Bare(name, session, {"model": model} if model else {})
        return
    flags = {"model": "--model", "device": "--device", "dtype": "--dtype", "threads": "--threads"}
    chosen = [text for key, flag in flags.items() if key in settings for text in (flag, str(settings[key]))]
    async with own_engine(*chosen) as engine:
        # Without what the engine adds to the model.
        yield Bare(name, engine.session, {"aix": {"recall": 0, "heal": heal}})
