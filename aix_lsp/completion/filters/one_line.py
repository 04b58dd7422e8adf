"""Ends a suggestion of one line at the line's end."""

from __future__ import annotations

from aix_lsp.completion.filters.cut import Cut
from aix_lsp.completion.scene import Scene


def one_line(text: str, scene: Scene, done: bool) -> Cut:
    """Keep the first line."""
    line, newline, _ = text.partition("\n")
    return Cut(line, stop=bool(newline))
