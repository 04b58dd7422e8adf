"""A backend whose output is scripted by the test, and an editor that types into one document."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, field

from aix_lsp.backends.base import (
    BackendStatus,
    Delta,
    GenerateRequest,
    ModelInfo,
    Usage,
)
from aix_lsp.completion.request import CompletionRequest, Trigger, Update
from aix_lsp.completion.service import CompletionService
from aix_lsp.completion.text import Change, DocumentSnapshot, Edit, Position, Text, after
from aix_lsp.settings import Settings

URI = "file:///project/a.py"
SETTINGS = Settings(deadline_ms=60_000, prefetch="never", wait_ms=0)
"""No request waits for a pause: how long it would wait depends on how fast this machine runs the test."""


class Call:
    """One requested generation, whose output the test determines."""

    def __init__(self, request: GenerateRequest) -> None:
        self.request = request
        self.closed = asyncio.Event()
        self._events: asyncio.Queue[Delta | Usage | Exception | None] = asyncio.Queue()

    def write(
        self, text: str, index: int = 0, finish_reason: str | None = None, logprob: float | None = -0.1
    ) -> None:
        self._events.put_nowait(Delta(text, index, finish_reason, logprob=logprob, tokens=1))

    def cost(self, usage: Usage) -> None:
        self._events.put_nowait(usage)

    def end(self, reason: str = "stop", usage: Usage | None = None) -> None:
        """Finish all candidates and the stream."""
        for index in range(self.request.n):
            self.write("", index, reason)
        if usage is not None:
            self._events.put_nowait(usage)
        self._events.put_nowait(None)

    def fail(self, error: Exception) -> None:
        self._events.put_nowait(error)

    async def stream(self) -> AsyncGenerator[Delta | Usage]:
        try:
            while (event := await self._events.get()) is not None:
                if isinstance(event, Exception):
                    raise event
                yield event
        finally:
            self.closed.set()


class ScriptedBackend:
    """Implements Backend. Calls are kept in order; `called` waits for the next."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.status = BackendStatus("ready", model=ModelInfo("scripted"))
        self._arrived = asyncio.Event()
        self._seen = 0

    def generate(self, request: GenerateRequest) -> AsyncGenerator[Delta | Usage]:
        call = Call(request)
        self.calls.append(call)
        self._arrived.set()
        return call.stream()

    async def close(self) -> None:
        return None

    async def called(self) -> Call:
        """The next call that this has not returned yet; it is made within a few turns of the loop."""
        for _ in range(50):
            if len(self.calls) > self._seen:
                self._seen += 1
                return self.calls[self._seen - 1]
            await turns(1)
        raise AssertionError("the backend was not called")

    async def called_later(self) -> Call:
        """The next call, which takes some time to come."""
        self._arrived.clear()
        if len(self.calls) == self._seen:
            await asyncio.wait_for(self._arrived.wait(), 60)
        self._seen += 1
        return self.calls[self._seen - 1]

    async def not_called(self) -> None:
        """Assert that nothing has been requested since the last call."""
        await turns()
        assert len(self.calls) == self._seen


async def turns(count: int = 30) -> None:
    """Let the event loop run until everything that can happen has happened."""
    for _ in range(count):
        await asyncio.sleep(0)
        async with asyncio.timeout(60):
            while any(thread.name == "reading" for thread in threading.enumerate()):
                await asyncio.sleep(0.001)


@dataclass
class Editor:
    """Types into one document, notifies the service, and requests suggestions."""

    service: CompletionService
    text: Text
    cursor: Position
    language: str = "python"
    uri: str = URI
    version: int = 1
    channel: str = "inline"
    watching: list[asyncio.Task[list[Update]]] = field(default_factory=list)

    @classmethod
    def at(cls, service: CompletionService, source: str, language: str = "python", uri: str = URI) -> Editor:
        """An editor with `source` opened, in which "|" marks the cursor."""
        before, _, behind = source.partition("|")
        editor = cls(service, Text.of(before + behind), after(Position(0, 0), before), language, uri)
        service.document_opened(editor.snapshot)
        return editor

    @property
    def snapshot(self) -> DocumentSnapshot:
        return DocumentSnapshot(self.uri, self.version, self.language, "a.py", self.text)

    def edit(self, start: Position, end: Position, text: str, cursor: Position | None = None) -> None:
        old = self.snapshot
        self.text = self.text.replace(start, end, text)
        self.version += 1
        self.cursor = cursor if cursor is not None else after(start, text)
        self.service.document_changed(Change(old, self.snapshot, (Edit(start, end, text),)))

    def type(self, text: str) -> None:
        self.edit(self.cursor, self.cursor, text)

    def pair(self, both: str) -> None:
        """Type an opener that the editor closes."""
        inside = Position(self.cursor.line, self.cursor.column + 1)
        self.edit(self.cursor, self.cursor, both, inside)

    def backspace(self, count: int = 1) -> None:
        start = Position(self.cursor.line, self.cursor.column - count)
        self.edit(start, self.cursor, "")

    def request(
        self, trigger: Trigger = "automatic", candidates: int = 1, channel: str = "inline"
    ) -> CompletionRequest:
        return CompletionRequest(self.snapshot, self.cursor, trigger, channel, candidates)

    def watch(self, request: CompletionRequest | None = None) -> asyncio.Task[list[Update]]:
        """Request suggestions, and collect the updates in a task."""
        stream = self.service.suggest(request or self.request())
        return asyncio.create_task(_collect(stream))


async def _collect(stream: AsyncIterator[Update]) -> list[Update]:
    return [update async for update in stream]


def texts(updates: list[Update]) -> list[str]:
    """The text of the first suggestion of each update, "" if there was none."""
    return [update.suggestions[0].text if update.suggestions else "" for update in updates]


async def under_way(
    editor: Editor, backend: ScriptedBackend, text: str = "", request: CompletionRequest | None = None
) -> tuple[asyncio.Task[list[Update]], Call]:
    """A pending answer, and its generation, which has written `text`."""
    answer = editor.watch(request)
    call = await backend.called()
    if text:
        call.write(text)
        await turns()
    return answer, call


async def finished(editor: Editor, backend: ScriptedBackend, text: str) -> None:
    """Complete a generation of `text` at the editor's cursor."""
    answer, call = await under_way(editor, backend)
    call.write(text)
    call.end()
    await answer
