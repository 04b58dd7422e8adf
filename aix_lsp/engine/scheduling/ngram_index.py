"""Finds the longest suffix of a text in other, immutable texts. Knows no requests or models."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Tokens = NDArray[np.int32]

BREAK = -1
"""Separates texts; no match crosses it."""
_KEPT = 64
"""The last matches that are kept: in a repetitive text there are hundreds, which all say the same."""
_LOOKED_AT = 1 << 16
"""The last occurrences of a pair that are examined: a text may consist of one pair over and over."""
_FEW = 128
"""From this many matches on, they are compared as an array."""
_PAIR = np.int64(1 << 32)


class NgramIndex:
    """An index of texts: their pairs of adjacent tokens, sorted, so that the time of a search hardly grows with the
    texts.

    A place is the position in `tokens` of a match's last token; another token of the same text always follows it.
    """

    def __init__(self, texts: Sequence[Sequence[int] | Tokens]) -> None:
        self.tokens = joined(texts)
        """The concatenated texts, with a BREAK after each."""
        # Reading single items from a view costs a third of reading them from an array.
        self._at = self.tokens.data
        self._size = len(self.tokens)
        inner = self.tokens != BREAK
        ends = np.flatnonzero(inner[:-1] & inner[1:])
        # By the last token first, so that a single token's places are adjacent, too. BREAK precedes a text.
        pairs = self.tokens[ends] * _PAIR + self.tokens[ends - 1]
        order = np.argsort(pairs, kind="stable")
        self._pairs = pairs[order].data
        self._ends = ends[order]
        self._single: dict[int, list[int]] = {}

    def __len__(self) -> int:
        return self._size

    def continuations(self, places: Sequence[int]) -> list[int]:
        """The token after each place."""
        at = self._at
        return [at[place + 1] for place in places]

    def longest(self, tail: Sequence[int]) -> tuple[int, list[int]]:
        """The length of the longest suffix of `tail` that occurs here, and the last places where it does, in order.

        (0, []) if not even its last token occurs.
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
        """Like `longest`, given a few places where `length` tokens match."""
        at = self._at
        while length < len(tail):
            wanted = tail[-1 - length]
            longer = [place for place in places if place >= length and at[place - length] == wanted]
            if not longer:
                break
            length, places = length + 1, longer
        return length, places[-_KEPT:]

    def onward(self, places: Sequence[int], token: int) -> list[int]:
        """The places that directly follow `places` and hold `token`."""
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
    """Concatenate texts, with a BREAK after each."""
    parts = [part for text in texts for part in (np.asarray(text, np.int32), np.array([BREAK], np.int32))]
    return np.concatenate(parts) if parts else np.empty(0, np.int32)


EMPTY = NgramIndex(())
