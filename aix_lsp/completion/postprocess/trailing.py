"""White space at a suggestion's end, and suggestions of nothing else."""

from __future__ import annotations

from aix_lsp.completion.cursor import CursorContext
from aix_lsp.completion.postprocess.cut import Cut


def trailing(text: str, cursor: CursorContext, done: bool) -> Cut:
    """Take white space from the end; keep blanks that part the suggestion from a word right of the cursor."""
    bare = text.rstrip()
    if not bare or not done:
        return Cut(bare)
    rest = cursor.line_after
    if rest[:1].isalnum() and "\n" not in text[len(bare) :]:
        return Cut(text)
    return Cut(bare)
