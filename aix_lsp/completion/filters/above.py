"""Drops a suggestion that would make the cursor's line a copy of the one above it, but for the word begun."""

from __future__ import annotations

from aix_lsp.completion.filters.cut import Cut
from aix_lsp.completion.filters.likeness import significant, word_begun
from aix_lsp.completion.scene import Scene


def above(text: str, scene: Scene, done: bool) -> Cut:
    """Show nothing while the first line is the head of the line above; the word's end if it becomes that line.

    People write lines that begin as the one above does.
    """
    target = scene.line_above().rstrip()
    if not significant(target):
        return Cut(text)
    first, newline, _ = text.partition("\n")
    whole = (scene.line_before + first).rstrip()
    if newline or done:
        return Cut(word_begun(first, scene), stop=True) if whole == target and first.strip() else Cut(text)
    return Cut("") if first.strip() and target.startswith(whole) else Cut(text)
