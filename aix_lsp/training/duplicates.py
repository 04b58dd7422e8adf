"""Detects whether a text, or nearly the same text, was seen before. Knows no files and no languages."""

from __future__ import annotations

from collections import Counter
from hashlib import blake2b

_SKETCH = 24  # hashes kept of a text: similarity is known to about a tenth, enough to tell copies from kin
_NEAR = 0.6
_SHORTEST_LINE = 8  # characters; brackets and `else:` say nothing of origin


class Seen:
    """Remembers texts by the smallest hashes of their pairs of lines (bottom-k sketches, Broder 1997)."""

    def __init__(self) -> None:
        self._holders: dict[int, list[int]] = {}
        self._texts = 0

    def add(self, text: str) -> bool:
        """Remember a text; False where it is a copy of an earlier one, or nearly, and is not kept."""
        sketch = _sketch(text)
        shared = Counter(holder for value in sketch for holder in self._holders.get(value, ()))
        if any(count >= _NEAR * len(sketch) for count in shared.values()):
            return False
        for value in sketch:
            self._holders.setdefault(value, []).append(self._texts)
        self._texts += 1
        return True


def _sketch(text: str) -> list[int]:
    lines = [line.strip() for line in text.split("\n")]
    told = [line for line in lines if len(line) >= _SHORTEST_LINE] or lines
    pairs = {f"{first}\n{second}" for first, second in zip(told, [*told[1:], ""], strict=True)}
    return sorted(int.from_bytes(blake2b(pair.encode(), digest_size=8).digest()) for pair in pairs)[:_SKETCH]
