"""Takes from a suggestion's end what the cursor's line goes on with anyway."""

from __future__ import annotations

from aix_lsp.completion.filters.cut import Cut
from aix_lsp.completion.scene import Scene
from aix_lsp.fim.closers import only_closers

_SURE = 3
"""This many characters of the line's rest, or all of it, at the suggestion's end are no accident."""


def overlap(text: str, scene: Scene, done: bool) -> Cut:
    """Cut the rest of the line, or its head, where the suggestion's first line ends with it.

    Closing punctuation alone is left to `fit`, which replaces it.
    """
    rest = scene.line_after.rstrip()
    if only_closers(rest):
        return Cut(text)
    line, newline, _ = text.partition("\n")
    at = line.find(rest.strip())
    if at >= 0:
        return Cut(line[:at] if rest[0] != " " else line[:at].rstrip(), stop=True)
    shared = _shared(line, rest)
    if done or newline:
        return Cut(
            line[: len(line) - shared] if shared >= min(_SURE, len(rest)) else line, stop=bool(newline)
        )
    return Cut(line[: len(line) - shared])


def _shared(line: str, rest: str) -> int:
    """How much of the line's end is the rest's head."""
    for length in range(min(len(line), len(rest)), 0, -1):
        if line.endswith(rest[:length]):
            return length
    return 0
