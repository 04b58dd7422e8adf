"""How much two files have to do with each other, by their paths and languages. Pure."""

from __future__ import annotations

from itertools import takewhile
from pathlib import PurePosixPath

_C = ("c", "cpp", "objective-c", "objective-cpp", "cuda-cpp")
_SCRIPT = ("javascript", "javascriptreact", "typescript", "typescriptreact", "vue", "svelte")


def nearness(path: str, other: str) -> int:
    """More for files that share more folders and part from them sooner; at most 0."""
    one, two = PurePosixPath(path).parts[:-1], PurePosixPath(other).parts[:-1]
    shared = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, two, strict=False)))
    return 2 * shared - len(one) - len(two)


def related(language: str, other: str) -> bool:
    """Whether code of one language (LSP ids) can use the other's names."""
    return language == other or any(language in family and other in family for family in (_C, _SCRIPT))
