"""When two lines say the same, and when that says anything."""

from __future__ import annotations

import re

_WORD_CHARS = re.compile(r"[^\W_]")
_SMALL = 0.1
"""Edit distance, as a share of the length, up to which lines are alike: the field's usual figure."""


def significant(line: str) -> bool:
    """Whether a line says so much that writing it twice is a fault: `}`, `0,` and `else:` may come twice."""
    return len(_WORD_CHARS.findall(line)) >= 5 and len(line.strip()) >= 7


def alike(one: str, other: str) -> bool:
    """Whether two lines differ in less than a tenth of their characters, and in no digit.

    Lines that differ in a number only (`x1 = 1`, `x2 = 2`) are what people write below each other.
    """
    longest = max(len(one), len(other))
    most = int(longest * _SMALL)
    if abs(len(one) - len(other)) > most or _digits(one) != _digits(other):
        return False
    return one == other or _distance(one, other, most) <= most


def _digits(line: str) -> str:
    return "".join(filter(str.isdigit, line))


def _distance(one: str, other: str, most: int) -> int:
    """Levenshtein distance; any number above `most` where it is larger (the band of Ukkonen, 1985)."""
    if most == 0:
        return 0 if one == other else 1
    row = list(range(len(other) + 1))
    for i, char in enumerate(one, 1):
        low, high = max(1, i - most), min(len(other), i + most)
        diagonal, row[0] = row[0], i
        if low > 1:
            diagonal, row[low - 1] = row[low - 1], most + 1
        best = row[0]
        for j in range(low, high + 1):
            cost = min(diagonal + (char != other[j - 1]), row[j] + 1, row[j - 1] + 1)
            diagonal, row[j] = row[j], cost
            best = min(best, cost)
        if high < len(other):
            row[high + 1] = most + 1
        if best > most and low > 1:
            return most + 1
    return row[len(other)]
