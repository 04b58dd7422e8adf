"""From what a model wrote to what is shown: small pure functions that work on a text as it streams in."""

from __future__ import annotations

from collections.abc import Callable

from aix_lsp.completion.extent import Extent
from aix_lsp.completion.filters.above import above
from aix_lsp.completion.filters.balance import balance
from aix_lsp.completion.filters.below import below
from aix_lsp.completion.filters.cut import Cut
from aix_lsp.completion.filters.echo import echo
from aix_lsp.completion.filters.fit import Fitted, fit
from aix_lsp.completion.filters.markers import markers
from aix_lsp.completion.filters.one_line import one_line
from aix_lsp.completion.filters.overlap import overlap
from aix_lsp.completion.filters.placeholders import placeholders
from aix_lsp.completion.filters.repetition import repetition
from aix_lsp.completion.filters.scope import scope
from aix_lsp.completion.filters.tabs import tabs
from aix_lsp.completion.filters.trailing import trailing
from aix_lsp.completion.filters.whole_words import whole_words
from aix_lsp.completion.scene import Scene

__all__ = ["Cut", "Fitted", "apply", "fit", "of", "whole_words"]

Filter = Callable[[str, Scene, bool], Cut]

LINE: tuple[Filter, ...] = (
    markers,
    placeholders,
    echo,
    overlap,
    one_line,
    balance,
    above,
    below,
    repetition,
    tabs,
    trailing,
)
BLOCK: tuple[Filter, ...] = (
    markers,
    placeholders,
    echo,
    scope,
    balance,
    above,
    below,
    repetition,
    tabs,
    trailing,
)


def of(extent: Extent) -> tuple[Filter, ...]:
    """The filters of suggestions of one line, or of several, in their order."""
    return LINE if extent == "line" else BLOCK


def apply(text: str, scene: Scene, extent: Extent, done: bool) -> Cut:
    """What of `text`, all that was generated so far at the scene's cursor, may be shown.

    `done` says that nothing will be added. `stop` in the answer says that nothing added would be shown.
    """
    text = whole = text.replace("\r\n", "\n").replace("\r", "\n")
    stopped = False
    for each in of(extent):
        if not stopped and whole[len(text) :].startswith("\n"):
            text += "\n"  # what the filter before holds back begins below: this line will not grow
        whole = text
        text, stop = each(text, scene, done or stopped)
        stopped = stopped or stop
    return Cut(text, stopped)
