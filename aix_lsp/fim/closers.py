"""Closing brackets and quotes right of the cursor, which editors insert and suggestions bring along."""

from __future__ import annotations

import re

# Text of a line's rest that holds no word: VS Code and others pair brackets and quotes, and people end
# statements, with these. A suggestion replaces them instead of doubling them.
_CLOSERS_ONLY = re.compile(r"[)\]}>\"'`;,:.\s]*")
_LEADING = re.compile(r"[)\]}>\"'`]{1,4}")


def only_closers(rest: str) -> bool:
    """Whether `rest`, the text right of the cursor in its line, is empty or closing punctuation only."""
    return _CLOSERS_ONLY.fullmatch(rest) is not None


def without_closers(after: str) -> str:
    """`after` (text right of the cursor, "\\n" endings) without closers that are all its first line holds."""
    line, newline, below = after.partition("\n")
    return newline + below if only_closers(line) else after


def without_leading(after: str) -> list[str]:
    """`after` without 1 … 4 closers at its head: what it was before an editor paired a bracket just typed."""
    match = _LEADING.match(after)
    return [after[count:] for count in range(1, match.end() + 1)] if match else []
