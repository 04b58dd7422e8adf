"""From what a model wrote to what is shown: small pure functions that work on a text as it streams in."""

from __future__ import annotations

from collections.abc import Callable

from aix_lsp.completion.cursor import CursorContext
from aix_lsp.completion.multiline import Extent
from aix_lsp.completion.postprocess.above import above
from aix_lsp.completion.postprocess.balance import balance
from aix_lsp.completion.postprocess.below import below
from aix_lsp.completion.postprocess.cut import Cut
from aix_lsp.completion.postprocess.echo import echo
from aix_lsp.completion.postprocess.fit import Fitted, fit
from aix_lsp.completion.postprocess.markers import markers
from aix_lsp.completion.postprocess.one_line import one_line
from aix_lsp.completion.postprocess.overlap import overlap
from aix_lsp.completion.postprocess.placeholders import placeholders
from aix_lsp.completion.postprocess.repetition import repetition
from aix_lsp.completion.postprocess.scope import scope
from aix_lsp.completion.postprocess.tabs import tabs
from aix_lsp.completion.postprocess.trailing import trailing
from aix_lsp.completion.postprocess.whole_words import whole_words

__all__ = ["Cut", "Fitted", "apply", "fit", "of", "whole_words"]

Filter = Callable[[str, CursorContext, bool], Cut]

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


def apply(text: str, cursor: CursorContext, extent: Extent, done: bool) -> Cut:
    """What of `text`, all that was generated so far at the scene's cursor, may be shown.

    `done` says that nothing will be added. `stop` in the answer says that nothing added would be shown.
    """
    text = whole = text.replace("\r\n", "\n").replace("\r", "\n")
    stopped = False
    for each in of(extent):
        if not stopped and whole[len(text) :].startswith("\n"):
            text += "\n"  # what the filter before holds back begins below: this line will not grow
        whole = text
        text, stop = each(text, cursor, done or stopped)
        stopped = stopped or stop
    return Cut(text, stopped)
