"""Ends a suggestion of one line at the line's end."""

from __future__ import annotations

from aix_lsp.completion.cursor import CursorContext
from aix_lsp.completion.postprocess.cut import Cut


def one_line(text: str, cursor: CursorContext, done: bool) -> Cut:
    """Keep the first line."""
    line, newline, _ = text.partition("\n")
    return Cut(line, stop=bool(newline))
