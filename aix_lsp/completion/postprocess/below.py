"""Ends a suggestion before it writes again what stands below the cursor."""

from __future__ import annotations

from aix_lsp.completion.cursor import CursorContext
from aix_lsp.completion.postprocess.cut import Cut
from aix_lsp.completion.postprocess.likeness import alike, may_become_alike, significant, word_begun
from aix_lsp.fim.block import closes_block, indentation


def below(text: str, cursor: CursorContext, done: bool) -> Cut:
    """Cut before a line that is the next one in the document; of the cursor's own keep the end of the word begun.

    A short line that ends a block (`end`, `</p>`) must also have the same indentation; brackets are `balance`'s.
    """
    following = cursor.lines_below(1)
    if not following:
        return Cut(text)
    target = following[0].rstrip()
    lines = text.split("\n")
    for index, line in enumerate(lines):
        whole = cursor.line_before + line if index == 0 else line
        fresh = index > 0 or not cursor.line_before.strip()
        if not line.strip():
            continue
        if index == len(lines) - 1 and not done:
            return Cut("\n".join(lines[:index]) if _may_repeat(whole, target, fresh) else text)
        if _repeats(whole, target, fresh):
            return Cut("\n".join(lines[:index]) if index else word_begun(line, cursor), stop=True)
    return Cut(text)


def _repeats(line: str, target: str, fresh: bool) -> bool:
    """Whether `line` is the line below; `fresh` where the suggestion wrote all of it."""
    if line.rstrip() == target:
        return _counts(target, fresh)
    return fresh and _as_deep(line, target) and significant(target) and alike(line, target)


def _may_repeat(head: str, target: str, fresh: bool) -> bool:
    """Whether a line that begins with `head` may yet come to repeat the line below."""
    if target.startswith(head.rstrip()):
        return _counts(target, fresh)
    return fresh and _as_deep(head, target) and significant(target) and may_become_alike(head, target)


def _counts(target: str, fresh: bool) -> bool:
    """Whether a line that is just like the line below repeats it: a sign or a short word stands on many lines."""
    return significant(target) or (fresh and closes_block(target) and any(map(str.isalpha, target)))


def _as_deep(line: str, target: str) -> bool:
    return indentation(line) == indentation(target)
