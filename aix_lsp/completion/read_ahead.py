"""Has the backend read a larger window of a document while nobody waits for it.

A model that reads slowly gets short prompts (`prompt.PromptBudget`), so that the first suggestion after a jump comes
soon. Once the backend's cache holds a larger window, a prompt that begins with it costs no more than a short one, and
the model sees more of the document.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing

from aix_lsp.backends.base import Backend, BackendError, GenerateRequest, Usage
from aix_lsp.fim.reading import LineColumn, Lines
from aix_lsp.fim.window import Window, WindowLimits, next_window

log = logging.getLogger(__name__)


class ReadAhead:
    """One document's larger window: none, one that is being read, or one that has been read."""

    def __init__(self) -> None:
        self._window: Window | None = None
        self._limits = WindowLimits()
        self._task: asyncio.Task[None] | None = None

    @property
    def running(self) -> bool:
        """Whether the backend is reading."""
        return self._task is not None and not self._task.done()

    def start(self, backend: Backend, request: GenerateRequest, window: Window, limits: WindowLimits) -> None:
        """Have the backend read the prompt of `window`, which was chosen within `limits`."""
        self.cancel()
        self._window, self._limits = window, limits
        self._task = asyncio.create_task(self._read(backend, request))

    def covers(self, text: Lines, cursor: LineColumn) -> bool:
        """Whether the window, read or not, still serves at the cursor."""
        return self._at(text, cursor) is not None

    def window(self, text: Lines, cursor: LineColumn) -> Window | None:
        """The window at the cursor whose prefix and suffix have been read; None if there is none.

        One that no longer serves, because of an edit within it or a jump, is dropped.
        """
        window = self._at(text, cursor)
        if window is None:
            self.cancel()
        return None if self.running else window

    def cancel(self) -> None:
        """Drop the window, and stop reading it."""
        self._window = None
        if self._task is not None:
            self._task.cancel()

    def _at(self, text: Lines, cursor: LineColumn) -> Window | None:
        if self._window is None:
            return None
        window = next_window(self._window, text, cursor, self._limits)
        same = (window.prefix, window.suffix) == (self._window.prefix, self._window.suffix)
        return window if same else None

    async def _read(self, backend: Backend, request: GenerateRequest) -> None:
        """Ask for one token of the prompt; what it is does not matter."""
        read = False
        try:
            async with aclosing(backend.generate(request)) as events:
                async for event in events:
                    read = read or isinstance(event, Usage)
        except BackendError as error:
            log.debug("reading ahead failed: %s", error)
        except Exception:
            log.exception("reading ahead failed unexpectedly")
        if not read:
            self._window = None
