"""How much two files have to do with each other, by their paths. Pure."""

from __future__ import annotations

from itertools import takewhile
from pathlib import PurePosixPath


def nearness(path: str, other: str) -> int:
    """More for files that share more folders and part from them sooner; at most 0."""
    one, two = PurePosixPath(path).parts[:-1], PurePosixPath(other).parts[:-1]
    shared = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, two, strict=False)))
    return 2 * shared - len(one) - len(two)
