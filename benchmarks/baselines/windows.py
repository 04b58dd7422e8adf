"""Gives baselines the same windows as our server uses: prefix and suffix at each moment of a replay."""

from __future__ import annotations

from aix_lsp.completion.text import Text
from aix_lsp.fim.prompt import FimPrompt
from aix_lsp.fim.window import Window, WindowLimits, next_window
from benchmarks.scripts import Moment


class Windows:
    """Moves a window through the moments of one document at a time, as our server does."""

    def __init__(self) -> None:
        self._path = ""
        self._window: Window | None = None

    def at(self, moment: Moment) -> FimPrompt:
        """The prompt's text at a moment."""
        if moment.path != self._path:
            self._path, self._window = moment.path, None
        before = moment.text[: moment.cursor]
        place = before.count("\n"), len(before) - (before.rfind("\n") + 1)
        self._window = next_window(self._window, Text.of(moment.text), place, WindowLimits())
        return self._window.prompt(moment.path, "python")
