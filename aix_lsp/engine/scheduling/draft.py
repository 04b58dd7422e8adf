"""Guesses a sequence's next tokens from its own earlier ones. Pure: knows no model and no pages.

Prompt-lookup decoding (Saxena 2023): where the last tokens stood before, what followed then is a draft.
Drafts are verified by the model in one step, so they change speed, never the text.
"""

from __future__ import annotations

from collections.abc import Sequence

_LONGEST = 8
_TRIED = 8
_BUCKETS = (0.3, 0.3, 0.3, 0.5, 0.6, 0.7, 0.75, 0.8, 0.8)
"""Acceptance per drafted token assumed at first, by the length of the match."""
_LEARN = 0.05
_PROBE_EVERY = 32


class TokenIndex:
    """Where each pair of neighbouring tokens of one growing sequence has stood."""

    def __init__(self) -> None:
        self._last: dict[tuple[int, int], int] = {}
        self._earlier: list[int] = []

    def extend(self, tokens: Sequence[int]) -> None:
        """Take in the tokens added since the last call. Entry `i` is the pair that ends at position `i +
        1`.
        """
        last, earlier = self._last, self._earlier
        start = len(earlier)
        for at, pair in enumerate(zip(tokens[start:], tokens[start + 1 :], strict=False), start):
            earlier.append(last.get(pair, -1))
            last[pair] = at

    def longest(self, tokens: Sequence[int]) -> tuple[int, int]:
        """(length, end): the longest earlier stretch equal to the sequence's tail, and the position after it.

        Of the most recent few occurrences; length 0 where there is none.
        """
        best, end = 0, 0
        at = self._earlier[-1] if self._earlier else -1
        size = len(tokens)
        for _ in range(_TRIED):
            if at < 0 or best >= _LONGEST:
                break
            length = 2
            while (
                length < _LONGEST and at - length + 1 >= 0 and tokens[at + 1 - length] == tokens[-1 - length]
            ):
                length += 1
            if length > best and at + 2 < size:
                best, end = length, at + 2
            at = self._earlier[at]
        return best, end


class Drafter:
    """Decides how much to draft, from how often drafts were right and what a token costs."""

    def __init__(self, limit: int = 8) -> None:
        self._limit = limit
        self._acceptance = list(_BUCKETS)
        self._asked = 0
        self.proposed = 0
        self.accepted = 0

    def propose(
        self, index: TokenIndex, tokens: Sequence[int], price: float, room: int
    ) -> tuple[list[int], int]:
        """Up to `room` tokens that may follow `tokens`, and the length of the match they come from.

        `price` is what one more token adds to the step, in units of what a step of plain decoding yields per
        token: a draft that is accepted less often than that does not pay.
        """
        index.extend(tokens)
        length, end = index.longest(tokens)
        if not length:
            return [], 0
        count = self._worthwhile(self._acceptance[length], price)
        if count == 0:
            self._asked += 1
            count = int(self._asked % _PROBE_EVERY == 0)
        return list(tokens[end : end + min(count, room)]), length

    def _worthwhile(self, acceptance: float, price: float) -> int:
        count, likely = 0, acceptance
        while count < self._limit and likely > price:
            count += 1
            likely *= acceptance
        return count

    def learn(self, length: int, proposed: int, accepted: int) -> None:
        """Note how many of a draft's tokens, found by a match of `length`, were right."""
        self.proposed += proposed
        self.accepted += accepted
        for right in (1.0,) * accepted + (0.0,) * (accepted < proposed):
            self._acceptance[length] += _LEARN * (right - self._acceptance[length])
