"""Limits the length of prompts for a backend that reads slowly, and has it read more of a document while it is idle.

Such a backend gets short prompts, so that the first suggestion after a jump comes soon. Once its cache holds a larger
window, a prompt that begins with it costs no more than a short one, and the model sees more of the document.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable
from contextlib import aclosing

from aix_lsp.backends.base import Backend, BackendError, GenerateRequest, Usage
from aix_lsp.completion.request import Mean
from aix_lsp.fim.window import Window
from aix_lsp.settings import Settings

log = logging.getLogger(__name__)

BEARABLE_MS = 2000.0
"""A prompt that shares nothing with earlier ones, as after a jump, should be processed in this time. After that, each
keystroke costs a token or two, however long the prompt is."""
SHORTEST = 512
FIRST = SHORTEST
"""The longest prompt before our own engine has shown how fast it reads."""
_ENOUGH = 128
"""With fewer uncached tokens, the measured time is mostly overhead."""
_SLACK = 1.25
_KEPT = 0.8
"""The share of `kvIdleS` after which a cache is taken for lost: a request must reach the engine before all of it."""


class PromptBudget:
    """The longest prompt in tokens: a power of two, with hysteresis, since each change means a cold prompt."""

    def __init__(self) -> None:
        self.longest: int | None = None
        """Tokens; None while no limit is needed."""
        self._tokens_per_ms = Mean()

    def add(self, usage: Usage) -> None:
        """Record the usage of a generation."""
        read, took = usage.prompt_tokens - usage.cached_tokens, usage.first_token_ms - usage.queue_ms
        if read < _ENOUGH or took <= 0:
            return
        self._tokens_per_ms.add(read / took)
        tokens = (self._tokens_per_ms.value or 0.0) * BEARABLE_MS
        if self.longest is None or not self.longest <= tokens <= 2 * _SLACK * self.longest:
            self.longest = max(SHORTEST, 1 << max(0, int(tokens).bit_length() - 1))


def kept_s(settings: Settings) -> float:
    """How long a backend without requests surely keeps what it has read, in seconds."""
    idle_s = Settings().kv_idle_s if settings.url else settings.kv_idle_s  # another server's is not known
    return _KEPT * idle_s if idle_s else math.inf


class ReadAhead:
    """Has the backend read a larger window of one document."""

    def __init__(self) -> None:
        self._window: Window | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def window(self) -> Window | None:
        """The window being read; None if none is."""
        return self._window if self._task is not None and not self._task.done() else None

    def start(
        self,
        backend: Backend,
        request: GenerateRequest,
        window: Window,
        done: Callable[[Window, Usage], None],
    ) -> None:
        """Have the backend read `request`, the prompt of `window`, instead of what it is reading; then call `done` with
        the window and what it cost."""
        self.cancel()
        self._window = window
        self._task = asyncio.create_task(self._read(backend, request, window, done))

    def cancel(self) -> None:
        """Stop reading."""
        if self._task is not None:
            self._task.cancel()

    async def ended(self) -> None:
        """Wait until nothing is being read any more."""
        if self._task is not None:
            await asyncio.wait({self._task})

    async def _read(
        self,
        backend: Backend,
        request: GenerateRequest,
        window: Window,
        done: Callable[[Window, Usage], None],
    ) -> None:
        """Send the request; the one token that it generates is discarded."""
        usage: Usage | None = None
        try:
            async with aclosing(backend.generate(request)) as events:
                async for event in events:
                    usage = event if isinstance(event, Usage) else usage
        except BackendError as error:
            log.debug("reading ahead failed: %s", error)
        except Exception:
            log.exception("reading ahead failed unexpectedly")
        if usage is not None:
            done(window, usage)
