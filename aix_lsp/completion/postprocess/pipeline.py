"""Applies the filters in their order to a text as it streams in."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from aix_lsp.completion.cursor import CursorContext
from aix_lsp.completion.postprocess import Cut
from aix_lsp.completion.postprocess.balance import Fitted, balance, fit
from aix_lsp.completion.postprocess.duplicates import above, below, echo, overlap, repetition
from aix_lsp.completion.postprocess.lines import indentation, one_line, scope, tabs, trailing
from aix_lsp.completion.postprocess.markers import chat, markers, placeholders
from aix_lsp.grammars import parse

__all__ = ["Cut", "Fitted", "apply", "fit", "of", "syntax_errors", "whole_words"]

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

_TIME_LIMIT_S = 0.05
"""Seconds on the event loop; a text that takes longer to parse is not judged."""
_LAST_WORD = re.compile(r"((?<![.:])(\.|::)|->|\\)\w*\Z|(?<=\W)\w+\Z")


def of(multiline: bool) -> tuple[Filter, ...]:
    """The filters for suggestions of one line, or of several, in order."""
    return BLOCK if multiline else LINE


def apply(text: str, cursor: CursorContext, multiline: bool, done: bool) -> Cut:
    """The part of `text`, which is all that was generated so far, that may be shown.

    `done` says that nothing will be added; `stop` in the result says that nothing that is added would be shown.
    """
    text = whole = text.replace("\r\n", "\n").replace("\r", "\n")
    stopped = False
    for each in of(multiline):
        if not stopped and whole[len(text) :].startswith("\n") and whole.startswith(text):
            text += "\n"  # what the previous filter holds back is on the next line: this one will not grow
        whole = text
        text, stop = each(text, cursor, done or stopped)
        stopped = stopped or stop
    return Cut(text, stopped)


def whole_words(text: str) -> str:
    """The text without its last word, which may be incomplete; a text of one word stays as it is."""
    head = _LAST_WORD.sub("", text).rstrip()
    return head if head else text


def syntax_errors(text: str, replaced: int, cursor: CursorContext) -> int:
    """The number of syntax errors around a cursor if `text` replaces `replaced` characters right of it.

    Meaningful only in comparison with another text, since the part that is parsed may begin and end anywhere. 0 for
    languages without a grammar.
    """
    return _errors(cursor.before + text + cursor.after[replaced:], cursor.language)


@lru_cache(maxsize=32)
def _errors(source: str, language: str) -> int:
    tree = parse(source.encode("utf-8", "replace"), language, _TIME_LIMIT_S)
    if tree is None:
        return 0
    count, walk = 0, tree.walk()
    while True:
        node = walk.node
        assert node is not None
        count += node.is_error or node.is_missing
        if node.has_error and walk.goto_first_child():
            continue
        while not walk.goto_next_sibling():
            if not walk.goto_parent():
                return count
