"""Requests ghost text after each key, as VS Code does, and records what each key cost. Knows no terminal."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from tests.client.buffer import Buffer
from tests.client.editor import Editor
from tests.client.lsp import Trigger, inline_items, insert_text
from tests.client.wire import Call, ResponseError


@dataclass(eq=False)
class Keystroke:
    """One request and its result. Times are milliseconds after it was sent."""

    key: str
    call: Call
    item: dict[str, Any] | None = None
    """The first item of the final answer; None if nothing was suggested."""
    error: int | None = None
    """The JSON-RPC code if the answer was an error, such as -32800 for a cancelled request."""
    ghost: str = ""
    """The suggestion so far."""
    _settled: asyncio.Task[None] | None = field(default=None, repr=False)

    @property
    def done(self) -> bool:
        return self._settled is not None and self._settled.done()

    @property
    def first_text_ms(self) -> float | None:
        """Milliseconds until the first text that could be shown, streamed or not."""
        for at, value in self.call.progress:
            if value.get("text"):
                return (at - self.call.sent_at) * 1000
        return self.call.elapsed_ms if self.item else None

    @property
    def first_line_ms(self) -> float | None:
        """Milliseconds until the first line of the suggestion was complete; None if there is none."""
        if self.item is None:
            return None
        for at, value in self.call.progress:
            if "\n" in value.get("text", ""):
                return (at - self.call.sent_at) * 1000
        return self.final_ms

    @property
    def final_ms(self) -> float | None:
        """Milliseconds until the answer; None if it was an error."""
        return self.call.elapsed_ms if self.done and self.error is None else None

    @property
    def data(self) -> dict[str, Any]:
        """The source and token counts that the server sends with the item."""
        return dict(self.item.get("data") or {}) if self.item else {}

    async def settled(self) -> None:
        """Wait for the answer, whether result or error."""
        assert self._settled is not None
        await asyncio.shield(self._settled)

    def watch(self) -> None:
        """Start following the answer."""
        self._settled = asyncio.create_task(self._follow())

    async def _follow(self) -> None:
        try:
            items = inline_items(await self.call.result())
        except ResponseError as error:
            self.error = error.code
            return
        if items and insert_text(items[0]):
            self.item = items[0]
            self.ghost = insert_text(items[0])


class GhostTyping:
    """Sends a streaming request after each key typed into a buffer, and cancels the previous one."""

    def __init__(self, editor: Editor, buffer: Buffer) -> None:
        self.editor = editor
        self.buffer = buffer
        self.strokes: list[Keystroke] = []

    @property
    def last(self) -> Keystroke:
        return self.strokes[-1]

    def ask(self, key: str = "", trigger: Trigger = "automatic") -> Keystroke:
        """Send a request at the cursor, and cancel the previous one if it has not been answered yet."""
        if self.strokes and not self.last.done:
            self.editor.wire.cancel(self.last.call)
        stroke = Keystroke(key, self.editor.stream(self.buffer, trigger))
        stroke.watch()
        self.strokes.append(stroke)
        return stroke

    def shown(self) -> str:
        """The ghost text that an editor would show now."""
        if not self.strokes:
            return ""
        stroke = self.last
        if not stroke.done and stroke.call.progress:
            return str(stroke.call.progress[-1][1].get("text", ""))
        return stroke.ghost

    def tab(self, count: int | None = None) -> str:
        """Accept the ghost text, or the first `count` characters of it; returns what was inserted."""
        assert self.last.item is not None, "nothing to accept"
        if count is None or count == len(self.last.ghost):
            return self.editor.accept(self.buffer, self.last.item)
        part = self.last.ghost[:count]
        self.editor.changed(self.buffer, [self.buffer.replace(self.buffer.cursor, self.buffer.cursor, part)])
        return part
