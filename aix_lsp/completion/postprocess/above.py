"""Drops a suggestion that would make the cursor's line a copy of the one above it, but for the word begun."""

from __future__ import annotations

from aix_lsp.completion.cursor import CursorContext
from aix_lsp.completion.postprocess.cut import Cut
from aix_lsp.completion.postprocess.likeness import significant, word_begun


def above(text: str, cursor: CursorContext, done: bool) -> Cut:
    """Show nothing while the first line is the head of the line above; the word's end if it becomes that line.

    People write lines that begin as the one above does.
    """
    target = cursor.line_above().rstrip()
    if not significant(target):
        return Cut(text)
    first, newline, _ = text.partition("\n")
    whole = (cursor.line_before + first).rstrip()
    if newline or done:
        return Cut(word_begun(first, cursor), stop=True) if whole == target and first.strip() else Cut(text)
    return Cut("") if first.strip() and target.startswith(whole) else Cut(text)
