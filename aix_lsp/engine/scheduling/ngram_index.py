"""Finds the longest suffix of a text in other, unchanging texts. Knows no requests and no model."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Tokens = NDArray[np.int32]

BREAK = -1
"""Stands between texts; no match goes across."""
_KEPT = 64
"""Places of a match that are kept, the last ones: a text that repeats itself has hundreds, and all say the same."""
_LOOKED_AT = 1 << 16
"""Places of a pair that are looked at, the last ones: a text may be one pair over and over."""
_FEW = 128
"""From how many places on they are compared as an array."""
_PAIR = np.int64(1 << 32)


class NgramIndex:
    """Texts, prepared for searching: their pairs of neighbours in order, so that a search takes no longer in many.

    A place is the position in `tokens` of a match's last token, and always has a token of the same text behind it.
    """

    def __init__(self, texts: Sequence[Sequence[int] | Tokens]) -> None:
        self.tokens = joined(texts)
        """The texts one behind the other, a break behind each."""
        # Of a view single items are read at a third of an array's cost.
        self._at = self.tokens.data
        self._size = len(self.tokens)
        inner = self.tokens != BREAK
        ends = np.flatnonzero(inner[:-1] & inner[1:])
        # By the last token first, so that a token's places lie together, too. Before a text stands a break.
        pairs = self.tokens[ends] * _PAIR + self.tokens[ends - 1]
        order = np.argsort(pairs, kind="stable")
        self._pairs = pairs[order].data
        self._ends = ends[order]
        self._single: dict[int, list[int]] = {}

    def __len__(self) -> int:
        return self._size

    def continuations(self, places: Sequence[int]) -> list[int]:
        """The token behind each place."""
        at = self._at
        return [at[place + 1] for place in places]

    def longest(self, tail: Sequence[int]) -> tuple[int, list[int]]:
        """How many of the last tokens of `tail` stand here in a row, and the last places where they do, in order.

        (0, []) where not even the last one does.
        """
        if not tail or not self._size:
            return 0, []
        found = self._places_of_pair(tail[-2], tail[-1]) if len(tail) > 1 else None
        if found is None:
            places = self._places_of(tail[-1])
            return int(bool(places)), places
        length = 2
        while len(found) > _FEW and length < len(tail):
            longer = found[(found >= length) & (self.tokens[found - length] == tail[-1 - length])]
            if not len(longer):
                return length, found[-_KEPT:].tolist()
            length, found = length + 1, longer
        return self._longer(tail, length, found.tolist())

    def _longer(self, tail: Sequence[int], length: int, places: list[int]) -> tuple[int, list[int]]:
        """As `longest`, from a few places where `length` tokens match."""
        at = self._at
        while length < len(tail):
            wanted = tail[-1 - length]
            longer = [place for place in places if place >= length and at[place - length] == wanted]
            if not longer:
                break
            length, places = length + 1, longer
        return length, places[-_KEPT:]

    def onward(self, places: Sequence[int], token: int) -> list[int]:
        """The places right behind `places` where `token` stands."""
        if not places:
            return []
        at = self._at
        return [place + 1 for place in places if at[place + 1] == token and at[place + 2] != BREAK]

    def _places_of_pair(self, before: int, last: int) -> NDArray[np.int64] | None:
        pairs, pair = self._pairs, (last << 32) + before
        low = bisect_left(pairs, pair)
        if low == len(pairs) or pairs[low] != pair:
            return None
        high = bisect_right(pairs, pair, low)
        return self._ends[max(low, high - _LOOKED_AT) : high]

    def _places_of(self, token: int) -> list[int]:
        found = self._single.get(token)
        if found is None:
            pairs = self._pairs
            low = bisect_left(pairs, (token << 32) + BREAK)
            high = bisect_left(pairs, (token + 1 << 32) + BREAK, low)
            found = np.sort(self._ends[low:high])[-_KEPT:].tolist()
            self._single[token] = found
        return found


def joined(texts: Sequence[Sequence[int] | Tokens]) -> Tokens:
    """Texts as one, with a break behind each."""
    parts = [part for text in texts for part in (np.asarray(text, np.int32), np.array([BREAK], np.int32))]
    return np.concatenate(parts) if parts else np.empty(0, np.int32)


EMPTY = NgramIndex(())
