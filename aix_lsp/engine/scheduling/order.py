"""Orders requests: by class, deadline, the client's recent use, arrival. Knows no pages or steps."""

from __future__ import annotations

import math
from collections.abc import Iterable

from aix_lsp.engine.scheduling.sequence import Sequence

Key = tuple[int, float, float, float, int]

_DEADLINE_GRAIN_S = 0.25
"""Deadlines this close count as equal, so that the client that has used least goes first."""


_HALF_LIFE_S = 5.0
_FORGOTTEN = 1.0
_FEW = 1024


class ClientUsage:
    """Tokens computed per client, halved every five seconds: the client that has used least goes first."""

    def __init__(self) -> None:
        self._debts: dict[str, tuple[float, float]] = {}
        self._swept = _FEW
        self._last: tuple[str, float] | None = None
        self._changed = -math.inf

    def debt(self, client: str, now: float) -> float:
        """A client's decayed tokens at `now` (seconds)."""
        entry = self._debts.get(client)
        if entry is None:
            return 0.0
        return entry[0] * math.exp2((entry[1] - now) / _HALF_LIFE_S)

    def charge(self, client: str, tokens: float, now: float) -> None:
        """Charge a client for computed tokens."""
        self._debts[client] = (self.debt(client, now) + tokens, now)
        if self._last is not None and self._last[0] != client:
            self._changed = self._last[1]
        self._last = client, now
        if len(self._debts) > self._swept:
            # With a bound that doubles, many simultaneous clients do not cause a sweep at each charge.
            self._debts = {name: e for name, e in self._debts.items() if self.debt(name, now) > _FORGOTTEN}
            self._swept = max(2 * len(self._debts), _FEW)

    def shared(self, client: str, now: float) -> bool:
        """Whether another client was charged within the last five seconds."""
        if self._last is None:
            return False
        last, when = self._last
        return now - (self._changed if last == client else when) < _HALF_LIFE_S


class Order:
    """The order of sequences at the time `now`, which the scheduler sets once per step."""

    def __init__(self, ageing_s: float, usage: ClientUsage) -> None:
        self.now = 0.0
        self._ageing_s = ageing_s
        self._usage = usage

    def rank(self, sequence: Sequence) -> int:
        """The class a sequence counts as: its own, raised by one for every few seconds since it was last served."""
        request = sequence.request
        if request.priority == 0:
            return 0
        since = sequence.served_at or request.arrival
        return max(request.priority - int((self.now - since) / self._ageing_s), 0)

    def key(self, sequence: Sequence) -> Key:
        """Sort key: the first to serve comes first."""
        request = sequence.request
        deadline = math.inf if request.deadline == math.inf else request.deadline // _DEADLINE_GRAIN_S
        debt = self._usage.debt(request.client, self.now)
        return self.rank(sequence), deadline, debt, request.arrival, sequence.index

    def sorted(self, sequences: Iterable[Sequence]) -> list[Sequence]:
        """First to serve first."""
        return sorted(sequences, key=self.key)

    def last(self, sequences: Iterable[Sequence]) -> Sequence:
        """The sequence to preempt."""
        return max(sequences, key=self.key)
