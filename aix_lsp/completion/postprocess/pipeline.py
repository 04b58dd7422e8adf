"""The filters in their order, over a text as it streams in."""

from __future__ import annotations

import re
from collections.abc import Callable

from aix_lsp.completion.cursor import CursorContext
from aix_lsp.completion.postprocess import Cut
from aix_lsp.completion.postprocess.balance import Fitted, balance, fit
from aix_lsp.completion.postprocess.duplicates import above, below, echo, overlap, repetition
from aix_lsp.completion.postprocess.lines import indentation, one_line, scope, tabs, trailing
from aix_lsp.completion.postprocess.markers import chat, markers, placeholders

__all__ = ["Cut", "Fitted", "apply", "fit", "of", "whole_words"]

Filter = Callable[[str, CursorContext, bool], Cut]

LINE: tuple[Filter, ...] = (
    chat,
    indentation,
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
    chat,
    indentation,
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

_LAST_WORD = re.compile(r"((?<![.:])(\.|::)|->|\\)\w*\Z|(?<=\W)\w+\Z")


def of(multiline: bool) -> tuple[Filter, ...]:
    """The filters of suggestions of one line, or of several, in their order."""
    return BLOCK if multiline else LINE


def apply(text: str, cursor: CursorContext, multiline: bool, done: bool) -> Cut:
    """What of `text`, all that was generated so far at the cursor, may be shown.

    `done` says that nothing will be added. `stop` in the answer says that nothing added would be shown.
    """
    text = whole = text.replace("\r\n", "\n").replace("\r", "\n")
    stopped = False
    for each in of(multiline):
        if not stopped and whole[len(text) :].startswith("\n") and whole.startswith(text):
            text += "\n"  # what the filter before holds back begins below: this line will not grow
        whole = text
        text, stop = each(text, cursor, done or stopped)
        stopped = stopped or stop
    return Cut(text, stopped)


def whole_words(text: str) -> str:
    """The text up to its last word, which may be half of one; one that is all there is stays."""
    head = _LAST_WORD.sub("", text).rstrip()
    return head if head else text
