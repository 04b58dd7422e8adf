"""A backend whose output is scripted by the test, and a server's dependencies around it; everything else is real."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from pathlib import Path

from lsprotocol import types

from aix_lsp.backends.base import (
    Backend,
    BackendStatus,
    Delta,
    GenerateRequest,
    ModelInfo,
    Usage,
)
from aix_lsp.completion.service import CompletionService
from aix_lsp.lsp.options import LspOptions
from aix_lsp.lsp.services import EnginePool
from aix_lsp.lsp.session import Dependencies
from aix_lsp.settings import Settings

READY = BackendStatus("ready", model=ModelInfo("scripted"))
PATIENT = Settings(deadline_ms=60_000)
"""The default settings, but with a deadline that even a busy machine meets."""
Say = Callable[[GenerateRequest], Sequence[str]]


class Generation:
    """One request to the backend, and how it ended."""

    def __init__(self, request: GenerateRequest) -> None:
        self.request = request
        self.gate = asyncio.Event()
        """If the backend holds back, it sends nothing (more) before this is set."""
        self.said = asyncio.Event()
        """Set when the first piece has been consumed."""
        self.ended = asyncio.Event()
        self.cancelled = False


class ScriptedBackend:
    """A WatchedBackend that streams the pieces returned by `say`."""

    def __init__(self, say: Say, *, hold: bool = False, status: BackendStatus = READY) -> None:
        self.say = say
        self.hold = hold
        self.status = status
        self.generations: list[Generation] = []
        self.restarts = 0
        self.closed = False
        self._listeners: list[Callable[[BackendStatus], None]] = []

    @property
    def running(self) -> list[Generation]:
        return [generation for generation in self.generations if not generation.ended.is_set()]

    @property
    def listeners(self) -> int:
        return len(self._listeners)

    def become(self, status: BackendStatus) -> None:
        self.status = status
        for listener in tuple(self._listeners):
            listener(status)

    def on_status(self, listener: Callable[[BackendStatus], None], /) -> Callable[[], None]:
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener) if listener in self._listeners else None

    async def restart(self) -> None:
        self.restarts += 1

    async def close(self) -> None:
        self.closed = True

    def generate(self, request: GenerateRequest) -> AsyncGenerator[Delta | Usage]:
        generation = Generation(request)
        self.generations.append(generation)
        return self._stream(generation)

    async def _stream(self, generation: Generation) -> AsyncGenerator[Delta | Usage]:
        try:
            for piece in self.say(generation.request):
                await asyncio.sleep(0)
                yield Delta(piece, tokens=1)
                generation.said.set()
                if self.hold:
                    await generation.gate.wait()
            for index in range(generation.request.n):
                yield Delta("", index, "stop")
            yield Usage(prompt_tokens=10, cached_tokens=4, completion_tokens=2)
        except (asyncio.CancelledError, GeneratorExit):
            generation.cancelled = True
            raise
        finally:
            generation.ended.set()


def echo(request: GenerateRequest) -> Sequence[str]:
    """Repeats the last line before the cursor, so that each answer shows which request it belongs to."""
    last = (request.prompt.prefix + request.prompt.middle).rsplit("\n", 1)[-1]
    return [f"{last.strip(' =')}_done"]


def dependencies(
    backend: ScriptedBackend | None = None,
    *,
    connect: Callable[[Settings], ScriptedBackend] | None = None,
    linger_s: float = 0.0,
    **options: object,
) -> Dependencies:
    """A server's dependencies around one backend, or around one for each set of settings."""
    made = connect or (lambda settings: backend if backend is not None else ScriptedBackend(echo))
    options.setdefault("settings", {"deadlineMs": PATIENT.deadline_ms})
    return Dependencies(LspOptions(**options), EnginePool(made, linger_s), _service)  # type: ignore[arg-type]


def _service(
    backend: Backend, settings: Callable[[str], Settings], roots: Callable[[], Sequence[Path]]
) -> CompletionService:
    return CompletionService(backend, settings, roots)


def replaced(
    text: str, start: tuple[int, int], end: tuple[int, int]
) -> types.TextDocumentContentChangePartial:
    """The change that puts a text between two places: lines, and code units in them."""
    return types.TextDocumentContentChangePartial(
        types.Range(types.Position(*start), types.Position(*end)), text
    )
