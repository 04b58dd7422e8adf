"""Who goes first: class, deadline, what the client used lately, arrival. Knows no pages and no steps."""

from __future__ import annotations

import math
from collections.abc import Iterable

from aix_lsp.engine.scheduling.clients import ClientLedger
from aix_lsp.engine.scheduling.sequence import Sequence

Key = tuple[int, float, float, float, int]

_DEADLINE_GRAIN_S = 0.25
"""Deadlines this near to each other count as one, so that the client who used least goes first among them."""


class Order:
    """The order of sequences at a time `now`, which the scheduler sets once a step."""

    def __init__(self, ageing_s: float, ledger: ClientLedger) -> None:
        self.now = 0.0
        self._ageing_s = ageing_s
        self._ledger = ledger

    def rank(self, sequence: Sequence) -> int:
        """The class a sequence counts as: its own, bettered by one for every few seconds it was not
        served.
        """
        request = sequence.request
        if request.priority == 0:
            return 0
        since = sequence.served_at or request.arrival
        return max(request.priority - int((self.now - since) / self._ageing_s), 0)

    def key(self, sequence: Sequence) -> Key:
        """Sorts the first to serve to the front."""
        request = sequence.request
        deadline = math.inf if request.deadline == math.inf else request.deadline // _DEADLINE_GRAIN_S
        debt = self._ledger.debt(request.client, self.now)
        return self.rank(sequence), deadline, debt, request.arrival, sequence.index

    def sorted(self, sequences: Iterable[Sequence]) -> list[Sequence]:
        """First to serve first."""
        return sorted(sequences, key=self.key)

    def last(self, sequences: Iterable[Sequence]) -> Sequence:
        """The one to pre-empt."""
        return max(sequences, key=self.key)
