"""What each client has used lately. Knows names and token counts only."""

from __future__ import annotations

import math

_HALF_LIFE_S = 5.0
_FORGOTTEN = 1.0


class ClientLedger:
    """Tokens computed per client, halved every five seconds: the one who used least goes first.

    `rate` (tokens a second, 0 for none) is a token bucket over the same figure: a client whose debt is
    above what that rate sustains has to pause.
    """

    def __init__(self, rate: float = 0.0) -> None:
        self._limit = rate * _HALF_LIFE_S / math.log(2)
        self._debts: dict[str, tuple[float, float]] = {}

    def debt(self, client: str, now: float) -> float:
        """Decayed tokens of a client at `now` (seconds)."""
        entry = self._debts.get(client)
        if entry is None:
            return 0.0
        return entry[0] * math.exp2((entry[1] - now) / _HALF_LIFE_S)

    def charge(self, client: str, tokens: int, now: float) -> None:
        """Note that tokens were computed for a client."""
        self._debts[client] = (self.debt(client, now) + tokens, now)
        if len(self._debts) > 1024:
            self._debts = {name: e for name, e in self._debts.items() if self.debt(name, now) > _FORGOTTEN}

    def may_run(self, client: str, now: float) -> bool:
        """Whether the client is within its rate."""
        return not self._limit or self.debt(client, now) <= self._limit
