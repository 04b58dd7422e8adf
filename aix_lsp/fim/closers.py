"""Recognises closing brackets and quotes right of the cursor, which editors insert and suggestions contain, too."""

from __future__ import annotations

import re

# The rest of a line without words: VS Code and others insert closing brackets and quotes, and people end statements
# with punctuation. A suggestion replaces them instead of duplicating them.
_CLOSERS_ONLY = re.compile(r"[)\]}>\"'`;,:.\s]*")
_LEADING = re.compile(r"[)\]}>\"'`]{1,4}")


def only_closers(rest: str) -> bool:
    """Whether `rest`, the text right of the cursor on its line, is empty or consists of closing punctuation."""
    return _CLOSERS_ONLY.fullmatch(rest) is not None


def without_closers(after: str) -> str:
    """`after` (text right of the cursor, "\\n" endings) without its first line's text if that is closers only."""
    line, newline, below = after.partition("\n")
    return newline + below if only_closers(line) else after


def without_leading(after: str) -> list[str]:
    """`after` without 1 … 4 closers at its head: the text before an editor paired a bracket that was just typed."""
    match = _LEADING.match(after)
    return [after[count:] for count in range(1, match.end() + 1)] if match else []
