"""The result of a filter, and the comparison of lines that filters share."""

from __future__ import annotations

import re
from typing import NamedTuple

from aix_lsp.completion.cursor import CursorContext

_WORD = re.compile(r"\w+")
_WORD_CHARS = re.compile(r"[^\W_]")


class Cut(NamedTuple):
    """The part of a generated text that may be shown, and whether nothing further ever will be.

    Filters see the whole text so far, and work on streams: what they show of a text's beginning is the
    beginning of what they show of the whole. What is undecided is held back until more text, or the end,
    decides. (`repetition` is the exception.)
    """

    text: str
    stop: bool = False


def word_begun(text: str, cursor: CursorContext) -> str:
    """What of a text ends the word that ends at the cursor; empty where none does."""
    word = _WORD.match(text) if cursor.word_before else None
    return word[0] if word else ""


def significant(line: str) -> bool:
    """Whether a line says so much that writing it twice is a fault: `}`, `0,` and `else:` may come twice."""
    return len(_WORD_CHARS.findall(line)) >= 5 and len(line.strip()) >= 7


def alike(one: str, other: str) -> bool:
    """Whether two lines have the same words, whatever is between them.

    A letter makes another line: `minX`, `minY` and `left`, `right` are what people write below each other. Of the
    lines that authors wrote above one within a tenth of its edit distance, the field's usual measure, all are right.
    """
    return _WORD.findall(one) == _WORD.findall(other)


def may_become_alike(head: str, other: str) -> bool:
    """Whether a line that begins with `head` may be `alike` to `other` in the end."""
    words, wanted = _WORD.findall(head), _WORD.findall(other)
    if not words:
        return True
    last = len(words) - 1
    return words[:last] == wanted[:last] and any(
        word.startswith(words[last]) for word in wanted[last : last + 1]
    )


def shared_length(text: str, follower: str) -> int:
    """How many characters at the end of `text` are the beginning of `follower`."""
    for length in range(min(len(text), len(follower)), 0, -1):
        if text.endswith(follower[:length]):
            return length
    return 0
