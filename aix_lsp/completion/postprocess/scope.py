"""Ends a suggestion of several lines where the block ends that the cursor stands in."""

from __future__ import annotations

from aix_lsp.completion.cursor import CursorContext
from aix_lsp.completion.postprocess.cut import Cut
from aix_lsp.fim.block import BlockEnd


def scope(text: str, cursor: CursorContext, done: bool) -> Cut:
    """Keep what is deeper than the line that opened the block; else one statement or paragraph."""
    return Cut(*BlockEnd(cursor.line_before, siblings=True).feed(f"{text}\n" if done else text))
