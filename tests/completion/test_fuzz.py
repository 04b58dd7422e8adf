"""A random typist, model and client: each request ends once, nothing wrong is shown, nothing is left over."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field

import pytest

from aix_lsp.backends.base import BackendStatus as Status
from aix_lsp.backends.base import BackendUnavailable, Delta, GenerateRequest, ModelInfo, Usage
from aix_lsp.completion.request import CompletionRequest, ContentModified, Superseded, Update
from aix_lsp.completion.service import CompletionService
from aix_lsp.completion.text import Position
from aix_lsp.fim.reading import normalise
from aix_lsp.settings import Settings
from tests.completion.scripted import Editor

PIECES = (
    "foo",
    "(",
    ")",
    "x",
    " = ",
    "1",
    "\n    ",
    "\n",
    "bar",
    "é",
    "😀",
    "'",
    ", ",
    "return ",
    "}",
    "if a:",
)


@dataclass
class RandomBackend:
    """A backend that writes random text at a random pace, and fails now and then."""

    generator: random.Random
    written: list[tuple[GenerateRequest, list[str]]] = field(default_factory=list)
    open: int = 0
    status: Status = field(default_factory=lambda: Status("ready", model=ModelInfo("random")))

    async def close(self) -> None:
        return None

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Delta | Usage]:
        texts = [""] * request.n
        self.written.append((request, texts))
        self.open += 1
        try:
            if self.generator.random() < 0.05:
                raise BackendUnavailable("busy")
            for _ in range(self.generator.randrange(12)):
                for _ in range(self.generator.randrange(3)):
                    await asyncio.sleep(0)
                index = self.generator.randrange(request.n)
                snippet = self.generator.choice(PIECES)
                texts[index] += snippet
                yield Delta(snippet, index, tokens=1, logprob=-1.0)
            for index in range(request.n):
                yield Delta("", index, self.generator.choice(["stop", "length"]))
            yield Usage(100, 90, 5)
        finally:
            self.open -= 1


class Client:
    """Sends requests, cancels some of them, and checks the answers."""

    def __init__(self, editor: Editor, backend: RandomBackend, generator: random.Random) -> None:
        self.editor = editor
        self.backend = backend
        self.generator = generator
        self.ended: dict[str, int] = {}
        self.tasks: list[asyncio.Task[None]] = []

    def request(self) -> None:
        channel = self.generator.choice(["inline", "inline", "popup", "stream"])
        trigger, count = self.generator.choice([("automatic", 1), ("automatic", 1), ("invoked", 3)])
        request = self.editor.request(trigger, count, channel)  # type: ignore[arg-type]
        self.tasks.append(asyncio.create_task(self._follow(request)))

    async def _follow(self, request: CompletionRequest) -> None:
        how = "nothing"
        try:
            async with aclosing(self.editor.service.suggest(request)) as updates:
                async for update in updates:
                    assert how != "done"
                    self._check(request, update)
                    how = "done" if update.done else "unfinished"
                    if self.generator.random() < 0.1:
                        how = "cancelled"
                        break
        except (Superseded, ContentModified) as error:
            how = type(error).__name__
        except asyncio.CancelledError:
            how = "cancelled"
        assert how not in ("nothing", "unfinished")
        self.ended[how] = self.ended.get(how, 0) + 1

    def _check(self, request: CompletionRequest, update: Update) -> None:
        """Assert that each text was written by a generation at its position, apart from what has been typed since."""
        cursor = request.document.text.clamp(request.position)
        before = normalise(request.document.text.slice(Position(0, 0), cursor))
        line = request.document.text.line(cursor.line)[cursor.column :].rstrip("\r\n")
        for suggestion in update.suggestions:
            assert suggestion.text.strip()
            assert 0 <= suggestion.replace_right <= len(line)
            whole = before + normalise(suggestion.text)
            assert any(_written(whole, request, texts) for request, texts in self.backend.written), whole


def _written(whole: str, request: GenerateRequest, texts: list[str]) -> bool:
    start = request.prompt.prefix + request.prompt.middle
    if not start.rpartition("\n")[2].strip():  # existing indentation is not written again
        texts = [*texts, *(text.lstrip(" \t") for text in texts)]
    head, tail = whole[: len(start)], whole[len(start) :]
    return _sent_for(start[: len(head)], head) and any(text.startswith(tail) for text in texts)


def _sent_for(sent: str, text: str) -> bool:
    """Whether a prompt has this text. Random text may look like a secret, whose characters are replaced."""
    return len(sent) == len(text) and all(
        one == other or one in "xX0" for one, other in zip(sent, text, strict=True)
    )


def act(editor: Editor, client: Client, generator: random.Random) -> None:
    """Perform one random action of a person or an editor."""
    end = editor.text.clamp(Position(10**6, 10**6))
    match generator.randrange(12):
        case 0 | 1 | 2:
            editor.type(generator.choice(PIECES))
        case 3 | 4:
            written = client.backend.written
            text = generator.choice(written[-1][1]) if written else "x"
            editor.type(text[: generator.randrange(1, 6)] or "x")
        case 5:
            editor.backspace(min(editor.cursor.column, generator.randrange(3)))
        case 6:
            editor.pair(generator.choice(["()", "[]", "''", "{}"]))
        case 7:
            editor.cursor = editor.text.clamp(
                Position(generator.randrange(end.line + 1), generator.randrange(9))
            )
        case 8:
            start = editor.text.clamp(Position(generator.randrange(end.line + 1), generator.randrange(9)))
            stop = editor.text.clamp(Position(start.line + generator.randrange(2), generator.randrange(9)))
            cursor = editor.text.clamp(editor.cursor)
            editor.edit(min(start, stop), max(start, stop), generator.choice(PIECES), cursor)
            editor.cursor = editor.text.clamp(cursor)
        case 9 if client.tasks:
            client.tasks[-1].cancel()
        case _:
            client.request()


@pytest.mark.parametrize("seed", range(30))
async def test_at_random(seed: int, caplog: pytest.LogCaptureFixture) -> None:
    generator = random.Random(seed)
    backend = RandomBackend(generator)
    service = CompletionService(backend, lambda language: Settings(deadline_ms=20_000))
    newline = generator.choice(["\n", "\r\n", "\r"])
    source = f"import os{newline}{newline}def f(a):{newline}    |{newline}{newline}x = 1{newline}"
    editor = Editor.at(service, source)
    client = Client(editor, backend, generator)
    for _ in range(250):
        act(editor, client, generator)
        for _ in range(generator.choice([0, 1, 3, 60])):
            await asyncio.sleep(0)
    await asyncio.wait_for(asyncio.gather(*client.tasks, return_exceptions=True), 60)
    failures = [task.exception() for task in client.tasks if not task.cancelled() and task.exception()]
    assert not failures, failures[0]
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
    # How many were superseded depends on the machine; a request sent now is answered.
    for _ in range(30):
        if client.ended.get("done", 0) > 3:
            break
        client.request()
        await asyncio.wait_for(client.tasks[-1], 60)
    assert client.ended.get("done", 0) > 3
    await service.close()
    assert backend.open == 0
