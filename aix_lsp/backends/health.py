"""State machine of one server: from the outcome of requests to whether it may be used now, and what the user sees.

Pure: it holds no connection and reads no clock. Times are seconds of the caller's monotonic clock.

States: starting (not found yet), ready, and the troubles throttled, refused, failing and away (base.Trouble). A
server in trouble is left alone for a while (a circuit breaker): for as long as it asks, or else for longer after
each failure, with jitter, so that a team's editors do not come back all at once. Then one request goes through as
a probe. It decides: success makes the server ready, failure begins a longer pause.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Literal

from aix_lsp.backends.base import BackendError, Trouble

State = Literal["starting", "ready"] | Trouble

_PAUSES_S: dict[Trouble, tuple[float, ...]] = {
    "throttled": (1.0, 2.0, 5.0, 10.0, 30.0, 60.0),
    "refused": (30.0, 60.0, 120.0, 300.0),
    "failing": (1.0, 2.0, 5.0, 10.0, 30.0, 60.0),
    "away": (1.0, 2.0, 5.0, 10.0, 30.0),
}
_JITTER = 0.25
"""Of a pause, at most; only ever added, for a server must not be asked before its time."""
_LONGEST_S = 3600.0
_ABANDONED_S = 0.5
"""A probe whose reader left before it told anything is not followed by one at each key."""


class Health:
    """What is known of one server."""

    def __init__(self, jitter: Callable[[], float] = random.random) -> None:
        """`jitter` gives numbers from 0 to 1."""
        self.state: State = "starting"
        self.message = ""
        """Why it is in trouble; empty while it is not."""
        self.retry_at = 0.0
        """When a server in trouble may be asked again."""
        self._jitter = jitter
        self._in_a_row = 0
        self._last_failure = float("-inf")
        self._probing = False

    @property
    def in_trouble(self) -> bool:
        """Whether requests are held back, but for probes."""
        return self.state not in ("starting", "ready")

    def admits(self, now: float) -> bool:
        """Whether a request would go through now."""
        return not self.in_trouble or (not self._probing and now >= self.retry_at)

    def admit(self, now: float) -> bool:
        """Let a request through, if it may go now. Its end must be told by one of the methods below."""
        if not self.admits(now):
            return False
        self._probing = self.in_trouble
        return True

    def succeeded(self) -> None:
        """The server did what was asked."""
        self.state, self.message = "ready", ""
        self._in_a_row, self._probing = 0, False

    def failed(self, began: float, now: float, error: BackendError) -> None:
        """A request that began at `began` has failed at `now`, by the server's doing (`error.trouble`)."""
        if error.trouble is None:
            self.abandoned(now)
            return
        # Requests that were under way together fail together, which counts once.
        if error.trouble != self.state:
            self._in_a_row = 0
        if began >= self._last_failure:
            self._in_a_row += 1
        self._last_failure, self._probing = now, False
        self.state, self.message = error.trouble, str(error)
        pauses = _PAUSES_S[error.trouble]
        pause = pauses[min(max(self._in_a_row, 1), len(pauses)) - 1]
        if error.retry_after_s is not None:
            pause = min(max(error.retry_after_s, pauses[0]), _LONGEST_S)
        self.retry_at = now + pause + min(pause, 10.0) * _JITTER * self._jitter()

    def abandoned(self, now: float) -> None:
        """A request ended without telling anything of the server, as when its reader left."""
        if self._probing:
            self._probing = False
            self.retry_at = max(self.retry_at, now + _ABANDONED_S)

    def reset(self) -> None:
        """Forget everything, as when the user asks for a fresh start."""
        self.state, self.message, self.retry_at = "starting", "", 0.0
        self._in_a_row, self._probing = 0, False
