"""The real server over stdio as a side, with its own engine or a remote one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from benchmarks.replay.sides import NOTHING, Offer, SideRequest
from tests.client.buffer import Buffer
from tests.client.editor import Editor
from tests.client.engine_watch import end_engines
from tests.client.lsp import inline_items, insert_text
from tests.client.readiness import wait_until_ready
from tests.client.wire import Call

ALTERED = "benchmarks.replay.altered"
_LOOK_S = 0.005


class Altered:
    """Starts a server with parts taken out, and reads which parts mattered."""

    def __init__(self, folder: Path, without: Sequence[str] = ()) -> None:
        """`folder` is for this server alone."""
        self._marks, self._statistics = folder / "marks", folder / "statistics.json"
        self._without = tuple(without)

    @property
    def arguments(self) -> tuple[str, ...]:
        """The arguments for `altered.py`."""
        without = ("--without", *self._without) if self._without else ()
        return (*without, "--marks", str(self._marks), "--statistics", str(self._statistics), "--")

    def mattered(self) -> frozenset[str]:
        """The parts that have changed anything since the last call."""
        found = self._marks.read_text(encoding="utf-8").split() if self._marks.exists() else []
        self._marks.unlink(missing_ok=True)
        return frozenset(found)


class Server:
    """The real server over stdio, with its own engine or a remote one."""

    def __init__(
        self,
        name: str,
        settings: dict[str, Any],
        home: Path,
        altered: Altered | None = None,
        by_hand: bool = False,
    ) -> None:
        """`by_hand` sends explicit requests, as by a key: for several candidates."""
        self.name = name
        self.altered = altered
        self._by_hand = by_hand
        self._settings = {"popup": False} | settings
        self._home = home
        self._editor: Editor | None = None
        self._last: Call | None = None

    @property
    def editor(self) -> Editor:
        assert self._editor is not None, "no folder entered"
        return self._editor

    async def enter(self, workspace: Path) -> None:
        if self.altered:
            self._editor = await Editor.start(self._home, *self.altered.arguments, module=ALTERED)
        else:
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

    def ask(self, buffer: Buffer) -> SideRequest:
        if self._last and not self._last.future.done():
            self.editor.wire.cancel(self._last)
        self._last = self.editor.stream(buffer, "invoked" if self._by_hand else "automatic")
        return _ServerRequest(self._last, buffer)

    async def meanwhile(self, within: float) -> None:
        for _ in range(round(within / _LOOK_S)):
            if not (await self._statistics())["under_way"]:
                return
            await asyncio.sleep(_LOOK_S)

    def tell(self, event: str, offer: Offer, characters: int = 0) -> None:
        about: dict[str, Any] = {"id": offer.id}
        if event == "PartiallyAccept":
            about["acceptedLength"] = characters
        self.editor.wire.notify(f"aix/did{event}", about)

    async def counts(self) -> dict[str, float]:
        found = await self._statistics()
        names = ("prompt_tokens", "cached_tokens", "wasted_tokens", "answered", "joined")
        return {"calls": found["generations"], "tokens": found["completion_tokens"]} | {
            n: found[n] for n in names
        }

    async def _statistics(self) -> dict[str, Any]:
        asked = self.editor.wire.request("workspace/executeCommand", {"command": "aix.statistics"})
        found: dict[str, Any] = await asked.result()
        return found


class _ServerRequest:
    """A streaming request to the server."""

    def __init__(self, call: Call, buffer: Buffer) -> None:
        self._call = call
        self._buffer = buffer

    @property
    def final_ms(self) -> float | None:
        return None if self._items is None else self._call.elapsed_ms

    @property
    def first_ms(self) -> float | None:
        streamed = (at for at, value in self._call.progress if value.get("text"))
        first = next(((at - self._call.sent_at) * 1000 for at in streamed), None)
        return first if first is not None or not self._items else self._call.elapsed_ms

    @property
    def offer(self) -> Offer:
        if self._items is None:
            value = self._call.progress[-1][1] if self._call.progress else {}
            return Offer(value.get("text", ""), self._over(value))
        return next(iter(self.offers), NOTHING)

    @property
    def offers(self) -> tuple[Offer, ...]:
        return tuple(map(self._read, self._items or ()))

    def _read(self, item: Mapping[str, Any]) -> Offer:
        data = item.get("data") or {}
        return Offer(insert_text(item), self._over(item), data.get("source") == "reuse", data.get("id", ""))

    async def settled(self, within: float) -> None:
        await asyncio.wait([self._call.future], timeout=within)

    @property
    def _items(self) -> list[dict[str, Any]] | None:
        """The suggestions in the answer; None if there is no answer, or an error."""
        future = self._call.future
        if not future.done() or future.exception() is not None:
            return None
        return [item for item in inline_items(future.result()) if insert_text(item)]

    def _over(self, item: Mapping[str, Any]) -> int:
        """How many characters to the right of the cursor an item replaces."""
        span = item.get("range")
        return max(0, self._buffer.offset(span["end"]) - self._buffer.cursor) if span else 0


@asynccontextmanager
async def server(name: str, settings: dict[str, Any], home: Path) -> AsyncIterator[Server]:
    """A server whose engine ends with the context."""
    try:
        yield Server(name, settings, home)
    finally:
        end_engines(home)
