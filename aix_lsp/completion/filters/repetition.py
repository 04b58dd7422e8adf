"""Ends a suggestion that runs in circles: a line, a block of lines or a piece of a line again and again.

The one filter that takes back what was shown: a circle is known as one only after some rounds.
"""

from __future__ import annotations

import re

from aix_lsp.completion.filters.cut import Cut
from aix_lsp.completion.filters.likeness import significant
from aix_lsp.completion.scene import Scene

_PIECES = re.compile(r"(.{3,40}?)\1{4,}")
"""Five times the same is a circle; three times are an ordinary row."""
_LONG_PIECES = re.compile(r"(.{10,80}?)\1{2,}")
_LARGEST_BLOCK = 6


def repetition(text: str, scene: Scene, done: bool) -> Cut:
    """Cut after the first round."""
    in_line = _in_line(text)
    over_lines = _over_lines(text)
    at = min(in_line, over_lines)
    return Cut(text[:at], stop=True) if at < len(text) else Cut(text)


def _in_line(text: str) -> int:
    for pattern in (_PIECES, _LONG_PIECES):
        for match in pattern.finditer(text):
            if any(char.isalpha() for char in match.group(1)):
                return match.end(1)
    return len(text)


def _over_lines(text: str) -> int:
    """Where the second of two equal blocks of lines begins; the text's length where there is none."""
    complete = text.split("\n")[:-1]
    for end in range(2, len(complete) + 1):
        for size in range(1, min(_LARGEST_BLOCK, end // 2) + 1):
            block = complete[end - size : end]
            if block == complete[end - 2 * size : end - size] and _says_something(block):
                return len("\n".join(complete[: end - size]))
    return len(text)


def _says_something(block: list[str]) -> bool:
    return any(significant(line) for line in block)
