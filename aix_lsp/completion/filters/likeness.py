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
    """Whether `one` differs from `other` in less than a tenth of that one's characters, and in no digit.

    Lines that differ in a number only (`x1 = 1`, `x2 = 2`) are what people write below each other.
    """
    most = int(len(other) * _SMALL)
    return _digits(one) == _digits(other) and _distances(one, other, most)[-1] <= most


def may_become_alike(head: str, other: str) -> bool:
    """Whether a line that begins with `head` may be `alike` to `other` in the end."""
    most = int(len(other) * _SMALL)
    return _digits(other).startswith(_digits(head)) and min(_distances(head, other, most)) <= most


def _digits(line: str) -> str:
    return "".join(filter(str.isdigit, line))


def _distances(one: str, other: str, most: int) -> list[int]:
    """Levenshtein distance of `one` to each head of `other`, or some number above `most` where it is larger.

    Only a band around the diagonal is computed (Ukkonen, 1985).
    """
    far = most + 1
    row = [at if at <= most else far for at in range(len(other) + 1)]
    for i, char in enumerate(one, 1):
        above, row = row, [far] * (len(other) + 1)
        if i <= most:
            row[0] = i
        for j in range(max(1, i - most), min(len(other), i + most) + 1):
            changed = above[j - 1] + (char != other[j - 1])
            row[j] = min(changed, above[j] + 1, row[j - 1] + 1, far)
        if min(row[max(0, i - most) :][: 2 * most + 1], default=far) > most:
            break
    return row
