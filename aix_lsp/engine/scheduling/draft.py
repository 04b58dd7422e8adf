"""Decides how many tokens to draft. Pure: knows no models or pages.

Drafts are the tokens that followed the same tokens elsewhere (recall.py), and those of the word that token healing has
the model write again (engine/text/healing.py). The model verifies them in one step, so they change its speed, never the
text.
"""

from __future__ import annotations

from collections.abc import Sequence as Seq

from aix_lsp.engine.scheduling.recall import Recall

_SHORTEST = 2
"""Too little of what shorter matches propose is right."""
_HEALED = 0
_BUCKETS = (0.5, 0.3, 0.3, 0.5, 0.6, 0.7, 0.75, 0.8, 0.8)
"""Initial estimate of the acceptance per drafted token, by the length of the match; the first is for healed words."""
_LEARN = 0.05
_PROBE_EVERY = 32


class Drafter:
    """Decides how many tokens to draft, from how often drafts were right and what a token costs."""

    def __init__(self, limit: int = 8) -> None:
        self._limit = limit
        self._acceptance = list(_BUCKETS)
        self._asked = 0
        self.proposed = 0
        self.accepted = 0

    def propose(self, recall: Recall, price: float, room: int) -> tuple[list[int], int]:
        """Up to `room` tokens that may come next, and the length of the match they come from.

        `price` is the time that one more token adds to a step, relative to the time per token of plain decoding: drafts
        that are accepted less often do not pay.
        """
        draft = recall.draft()
        if room <= 0 or draft.length < _SHORTEST:
            return [], 0
        length = min(draft.length, len(self._acceptance) - 1)
        return draft.tokens(min(self._count(length, price), room)), length

    def spell(self, tokens: Seq[int], price: float, room: int) -> Seq[int]:
        """As many of `tokens`, which healing has made likely, as pay: at most `room`."""
        return tokens[: min(self._count(_HEALED, price), room)]

    def _count(self, length: int, price: float) -> int:
        count = self._worthwhile(self._acceptance[length], price)
        if count == 0:
            self._asked += 1
            count = int(self._asked % _PROBE_EVERY == 0)
        return count

    def _worthwhile(self, acceptance: float, price: float) -> int:
        count, likely = 0, acceptance
        while count < self._limit and likely > price:
            count += 1
            likely *= acceptance
        return count

    def learn(self, length: int, proposed: int, accepted: int) -> None:
        """Note how many tokens of a draft, found by a match of `length`, were right."""
        self.proposed += proposed
        self.accepted += accepted
        for right in (1.0,) * accepted + (0.0,) * (accepted < proposed):
            self._acceptance[length] += _LEARN * (right - self._acceptance[length])
