"""What answers the person: the real server with some settings, or the bare model. Each a side of a comparison.

Knows nothing of what is typed or taken.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import aiohttp

from benchmarks.buffer import Buffer
from benchmarks.editor import Editor
from benchmarks.engine_watch import end_engines
from benchmarks.lsp import inline_items, insert_text
from benchmarks.own_engine import events, own_engine, session_for
from benchmarks.readiness import wait_until_ready
from benchmarks.wire import Call

BARE_TOKENS = 64
BARE_PREFIX_LINES, BARE_SUFFIX_LINES = 256, 64
"""What the bare call sees: as much as the server's default."""


@dataclass(frozen=True)
class Offer:
    """What a person sees at a moment: text to insert at the cursor, replacing `replaces` characters right of it."""

    text: str
    replaces: int = 0
    reused: bool = False
    """Whether it was answered without the model."""
    id: str = ""


NOTHING = Offer("")


class Asked(Protocol):
    """A request for a suggestion. Times are milliseconds after it was sent; None where it has not come to that."""

    @property
    def first_ms(self) -> float | None: ...

    @property
    def final_ms(self) -> float | None: ...

    @property
    def offer(self) -> Offer:
        """The suggestion so far; to be read before the buffer is changed."""
        ...

    async def settled(self, within: float) -> None:
        """Wait for the end of the answer, at most so many seconds."""


class Side(Protocol):
    """One of the things compared."""

    name: str

    async def enter(self, workspace: Path) -> None:
        """Begin to work in a folder."""

    async def leave(self) -> None:
        """End the work there."""

    def open(self, buffer: Buffer) -> None: ...

    def changed(self, buffer: Buffer, changes: Sequence[dict[str, Any]]) -> None: ...

    def close(self, buffer: Buffer) -> None: ...

    def ask(self, buffer: Buffer) -> Asked:
        """Ask at the cursor; what was asked before and is not answered is cancelled."""
        ...

    def tell(self, event: str, offer: Offer, characters: int = 0) -> None:
        """What the person did: "Show", "Accept", "PartiallyAccept"."""

    async def counts(self) -> dict[str, float]:
        """Calls, prompt_tokens, cached_tokens, tokens and wasted_tokens since the folder was entered."""
        ...


class Server:
    """The real server over stdio, with an engine of its own or a remote one."""

    def __init__(self, name: str, settings: dict[str, Any], home: Path) -> None:
        self.name = name
        self._settings = {"popup": False} | settings
        self._home = home
        self._editor: Editor | None = None
        self._last: Call | None = None

    @property
    def editor(self) -> Editor:
        assert self._editor is not None, "no folder entered"
        return self._editor

    async def enter(self, workspace: Path) -> None:
        self._editor = await Editor.start(self._home)
        await self._editor.initialize(options=self._settings, root=workspace)
        await wait_until_ready(self._editor)

    async def leave(self) -> None:
        await self.editor.__aexit__()
        self._editor = self._last = None

    def open(self, buffer: Buffer) -> None:
        buffer.encoding = self.editor.encoding
        self.editor.buffers[buffer.uri] = buffer
        item = {
            "uri": buffer.uri,
            "languageId": buffer.language,
            "version": buffer.version,
            "text": buffer.text,
        }
        self.editor.wire.notify("textDocument/didOpen", {"textDocument": item})

    def changed(self, buffer: Buffer, changes: Sequence[dict[str, Any]]) -> None:
        self.editor.changed(buffer, changes)

    def close(self, buffer: Buffer) -> None:
        self.editor.close(buffer)

    def ask(self, buffer: Buffer) -> Asked:
        if self._last and not self._last.future.done():
            self.editor.wire.cancel(self._last)
        self._last = self.editor.stream(buffer)
        return _ServerAsked(self._last, buffer)

    def tell(self, event: str, offer: Offer, characters: int = 0) -> None:
        about: dict[str, Any] = {"id": offer.id}
        if event == "PartiallyAccept":
            about["acceptedLength"] = characters
        self.editor.wire.notify(f"aix/did{event}", about)

    async def counts(self) -> dict[str, float]:
        asked = self.editor.wire.request("workspace/executeCommand", {"command": "aix.statistics"})
        found = await asked.result()
        names = ("prompt_tokens", "cached_tokens", "wasted_tokens")
        return {"calls": found["generations"], "tokens": found["completion_tokens"]} | {
            n: found[n] for n in names
        }


class _ServerAsked:
    """A streaming request to the server."""

    def __init__(self, call: Call, buffer: Buffer) -> None:
        self._call = call
        self._buffer = buffer

    @property
    def final_ms(self) -> float | None:
        return None if self._item is None else self._call.elapsed_ms

    @property
    def first_ms(self) -> float | None:
        streamed = (at for at, value in self._call.progress if value.get("text"))
        first = next(((at - self._call.sent_at) * 1000 for at in streamed), None)
        return first if first is not None or not self._item else self._call.elapsed_ms

    @property
    def offer(self) -> Offer:
        if self._item is None:
            value = self._call.progress[-1][1] if self._call.progress else {}
            return Offer(value.get("text", ""), self._over(value))
        if not self._item:
            return NOTHING
        data = self._item.get("data") or {}
        reused = data.get("source") == "reuse"
        return Offer(insert_text(self._item), self._over(self._item), reused, data.get("id", ""))

    async def settled(self, within: float) -> None:
        await asyncio.wait([self._call.future], timeout=within)

    @property
    def _item(self) -> dict[str, Any] | None:
        """The answer; empty where nothing is suggested, None where there is no answer, or an error."""
        future = self._call.future
        if not future.done() or future.exception() is not None:
            return None
        items = inline_items(future.result())
        return items[0] if items and insert_text(items[0]) else {}

    def _over(self, item: Mapping[str, Any]) -> int:
        """How much right of the cursor an item replaces."""
        span = item.get("range")
        return max(0, self._buffer.offset(span["end"]) - self._buffer.cursor) if span else 0


class Bare:
    """The model through a completions endpoint, as a first plugin would ask it: prefix and suffix, greedy, 64
    tokens, the first line; no filters, no reuse. The stream is closed at the line's end, and when a key comes."""

    def __init__(self, name: str, session: aiohttp.ClientSession, more: Mapping[str, Any]) -> None:
        """`more` goes into every request."""
        self.name = name
        self._session = session
        self._more = more
        self._last: _BareAsked | None = None
        self._asked: list[_BareAsked] = []

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

    def tell(self, event: str, offer: Offer, characters: int = 0) -> None:
        pass

    def ask(self, buffer: Buffer) -> Asked:
        if self._last is not None:
            self._last.task.cancel()
        before, after = buffer.text[: buffer.cursor], buffer.text[buffer.cursor :]
        body: dict[str, Any] = {
            "prompt": "".join(before.splitlines(keepends=True)[-BARE_PREFIX_LINES:]),
            "suffix": "".join(after.splitlines(keepends=True)[:BARE_SUFFIX_LINES]),
            "max_tokens": BARE_TOKENS,
            "temperature": 0,
            "stream": True,
        }
        self._last = _BareAsked(self._session, {**body, **self._more})
        self._asked.append(self._last)
        return self._last

    async def counts(self) -> dict[str, float]:
        await asyncio.gather(*(asked.task for asked in self._asked), return_exceptions=True)
        return {
            "calls": len(self._asked),
            "prompt_tokens": sum(asked.prompt_tokens for asked in self._asked),
            "cached_tokens": sum(asked.cached_tokens for asked in self._asked),
            "tokens": sum(asked.tokens for asked in self._asked),
            "wasted_tokens": sum(asked.tokens for asked in self._asked if asked.final_ms is None),
        }


class _BareAsked:
    """One call of the bare model."""

    def __init__(self, session: aiohttp.ClientSession, body: dict[str, Any]) -> None:
        self.first_ms: float | None = None
        self.final_ms: float | None = None
        self.offer = NOTHING
        self.prompt_tokens = self.cached_tokens = self.tokens = 0
        self._started = time.perf_counter()
        self.task = asyncio.create_task(self._run(session, body))

    async def settled(self, within: float) -> None:
        await asyncio.wait([self.task], timeout=within)

    async def _run(self, session: aiohttp.ClientSession, body: dict[str, Any]) -> None:
        text = ""
        async with session.post("/v1/completions", json=body) as answer:
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
async def server(name: str, settings: dict[str, Any], home: Path) -> AsyncIterator[Server]:
    """A server whose engine ends with the context."""
    try:
        yield Server(name, settings, home)
    finally:
        end_engines(home)


@asynccontextmanager
async def bare(name: str, settings: Mapping[str, Any]) -> AsyncIterator[Bare]:
    """The bare model of some settings: an engine of its own with the same model, or the remote server."""
    if settings.get("url"):
        async with session_for(settings["url"]) as session:
            model = settings.get("remoteModel")
            yield Bare(name, session, {"model": model} if model else {})
        return
    flags = {"model": "--model", "device": "--device", "dtype": "--dtype", "threads": "--threads"}
    chosen = [text for key, flag in flags.items() if key in settings for text in (flag, str(settings[key]))]
    async with own_engine(*chosen) as engine:
        yield Bare(name, engine.session, {"aix": {"recall": 0}})  # what the engine adds is not the model's
