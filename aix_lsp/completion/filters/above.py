"""Drops a suggestion that would make the cursor's line a copy of the one above it."""

from __future__ import annotations

from aix_lsp.completion.filters.cut import Cut
from aix_lsp.completion.filters.likeness import significant
from aix_lsp.completion.scene import Scene


def above(text: str, scene: Scene, done: bool) -> Cut:
    """Show nothing while the first line is the head of the line above, nor if it becomes that line."""
    target = scene.line_above().rstrip()
    if not significant(target):
        return Cut(text)
    first, newline, _ = text.partition("\n")
    whole = (scene.line_before + first).rstrip()
    if newline or done:
        return Cut("", stop=True) if whole == target and first.strip() else Cut(text)
    return Cut("") if first.strip() and target.startswith(whole) else Cut(text)
