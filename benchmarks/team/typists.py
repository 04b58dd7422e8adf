"""Simulated typists: what they type when, and the result of each request. Knows backends, but no server processes.

Arrivals are open-loop: a key comes when the typist presses it, even if the last one is unanswered. As in an editor, the
next key cancels the request before it; such a request counts as overtaken, with the time it waited.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from aix_lsp.backends.base import BackendError, Delta, GenerateRequest, Priority, Usage
from aix_lsp.fim.prompt import FimPrompt
from benchmarks.baselines.windows import Windows
from benchmarks.replay.typing_model import TypingModel, moment_of
from benchmarks.scripts import Moment, Script, scripts, steps
from tests.client.buffer import Buffer

TOKENS = 16
"""Tokens per suggestion: about a line of code."""
_LAST_ANSWERS_S = 60.0
"""How long the answers to the last keys may take; requests unanswered by then are lost."""

End = Literal["complete", "overtaken", "error", "lost"]
Rate = Callable[[float], float]
"""Typing speed relative to the usual, by seconds since the beginning."""


class Generator(Protocol):
    """What a typist sends requests to: a backend."""

    def generate(self, request: GenerateRequest) -> AsyncGenerator[Delta | Usage]: ...


@dataclass(frozen=True)
class Key:
    """A key: the prompt right after it, and the pause until the next one (s)."""

    prompt: FimPrompt
    pause_s: float
    continues: bool
    """Whether it was typed right after the previous key, so that a cache has most of the prompt."""


@dataclass
class RequestRecord:
    """One request and its result."""

    user: str
    user_class: str
    at: float
    """Seconds after the beginning."""
    continues: bool
    waited_ms: float = 0.0
    first_ms: float | None = None
    end: End = "lost"
    prompt_tokens: int = 0
    cached_tokens: int = 0
    tokens: int = 0
    message: str = ""
    ended_at: float = 0.0

    @property
    def first_or_waited_ms(self) -> float:
        """Time to the first text; if there never was any, the time the request waited."""
        return self.waited_ms if self.first_ms is None else self.first_ms

    @property
    def met_prefix(self) -> bool:
        """Whether most of the prompt was cached."""
        return 2 * self.cached_tokens >= self.prompt_tokens > 0


@dataclass
class Typist:
    """One user at work on a file."""

    name: str
    keys: Sequence[Key]
    backend: Generator
    user_class: str = "default"
    max_tokens: int = TOKENS
    priority: Priority = Priority.TYPED
    asked: list[RequestRecord] = field(default_factory=list)

    async def type(self, seconds: float, pauses: float, rate: Rate, began: float) -> None:
        """Press keys for `seconds`, with pauses `pauses` times as long as people's."""
        key_at = time.perf_counter() + pauses * self.keys[0].pause_s
        last: asyncio.Task[None] | None = None
        index = 0
        while time.perf_counter() - began < seconds:
            await asyncio.sleep(max(0.0, key_at - time.perf_counter()))
            if last is not None and not last.done():
                last.cancel()
            key = self.keys[index % len(self.keys)]
            last = asyncio.create_task(self.ask(key, began))
            index += 1
            key_at += pauses * key.pause_s / rate(time.perf_counter() - began)
        if last is not None:
            await asyncio.wait([last], timeout=_LAST_ANSWERS_S)
            last.cancel()

    async def ask_again_and_again(self, seconds: float, began: float) -> None:
        """Send the next request as soon as the last is answered: the maximum load."""
        index = 0
        while time.perf_counter() - began < seconds:
            await self.ask(self.keys[index % len(self.keys)], began)
            index += 1

    async def ask(self, key: Key, began: float) -> None:
        """Send one request, until it ends or is cancelled."""
        started = time.perf_counter()
        asked = RequestRecord(self.name, self.user_class, started - began, key.continues)
        self.asked.append(asked)
        request = GenerateRequest(
            key.prompt, self.max_tokens, stream_key=f"{self.name}:{key.prompt.path}", priority=self.priority
        )
        try:
            async with aclosing(self.backend.generate(request)) as events:
                async for event in events:
                    _take(asked, event, started)
            asked.end = "complete"
        except BackendError as error:
            asked.end, asked.message = "error", str(error)
        except asyncio.CancelledError:
            asked.end = "overtaken"
            raise
        finally:
            ended = time.perf_counter()
            asked.waited_ms, asked.ended_at = (ended - started) * 1e3, ended - began


def _take(asked: RequestRecord, event: Delta | Usage, started: float) -> None:
    if isinstance(event, Usage):
        asked.prompt_tokens, asked.cached_tokens = event.prompt_tokens, event.cached_tokens
        asked.tokens = event.completion_tokens
    elif event.text and asked.first_ms is None:
        asked.first_ms = (time.perf_counter() - started) * 1e3


def steadily(_: float) -> float:
    """People type at a constant speed."""
    return 1.0


def in_bursts(seconds: float) -> float:
    """Everybody types three times as fast for a quarter of every eight seconds, and more slowly in between."""
    return 3.0 if seconds % 8.0 < 2.0 else 1 / 3


def keys_of(script: Script, seed: str) -> list[Key]:
    """All keys of a script, as one person presses them."""
    buffer, windows, keys = Buffer("", script.beginning(), "python"), Windows(), []
    for number, typist in enumerate(script.typists(buffer)):
        timing = TypingModel(f"{seed}:{number}")
        for place, key in enumerate(steps(typist)):
            prompt = windows.at(Moment(script.name, buffer.text, buffer.cursor, key))
            keys.append(Key(prompt, timing.pause_s(place, moment_of(key)), place > 0))
    return keys


def files(count: int) -> list[list[Key]]:
    """The keys of `count` different files."""
    chosen: dict[str, Script] = {}
    seed = 0
    while len(chosen) < count:
        seed += 1
        chosen |= {script.name: script for script in scripts(400, seed)}
    return [keys_of(script, str(number)) for number, script in enumerate(list(chosen.values())[:count])]


async def type_all(
    typists: Sequence[Typist], seconds: float, pauses: float | None, rate: Rate = steadily
) -> list[RequestRecord]:
    """All typists at once; returns their new requests in the order of sending. Without pauses, each sends the next
    request as soon as the last is answered.
    """
    before = {id(typist): len(typist.asked) for typist in typists}
    began = time.perf_counter()
    works: list[Any] = [
        typist.ask_again_and_again(seconds, began)
        if pauses is None
        else typist.type(seconds, pauses, rate, began)
        for typist in typists
    ]
    await asyncio.gather(*works)
    await asyncio.sleep(0)
    asked = [one for typist in typists for one in typist.asked[before[id(typist)] :]]
    return sorted(asked, key=lambda one: one.at)


def mean_pause_s(typists: Sequence[Typist]) -> float:
    """The mean pause between two keys of a person."""
    pauses = [key.pause_s for typist in typists for key in typist.keys]
    return sum(pauses) / len(pauses)
