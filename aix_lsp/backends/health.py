"""State machine of one server: from the outcomes of requests to whether it may be used, and what the user is told.

Pure: has no connections and reads no clock. Times are in seconds, of the caller's monotonic clock.

States: starting (not discovered yet), ready, and the troubles throttled, refused, failing and away (base.Trouble). A
server in trouble gets no requests for a while (a circuit breaker): as long as it asks for, otherwise longer after each
failure, with jitter, so that a team's editors do not all return at once. Then one request is let through as a probe:
success makes the server ready, failure starts a longer pause.
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
"""At most this share of a pause is added to it; never subtracted, since the server set the minimum."""
_LONGEST_S = 3600.0
_ABANDONED_S = 0.5
"""Pause after a probe that was cancelled without a result, so that not every keystroke starts another."""


class Health:
    """What is known about one server's health."""

    def __init__(self, jitter: Callable[[], float] = random.random) -> None:
        """`jitter` returns random numbers from 0 to 1."""
        self.state: State = "starting"
        self.message = ""
        """Why it is in trouble; otherwise empty."""
        self.retry_at = 0.0
        """When a server in trouble may be tried again."""
        self._jitter = jitter
        self._in_a_row = 0
        self._last_failure = float("-inf")
        self._probing = False

    @property
    def in_trouble(self) -> bool:
        """Whether requests are held back, except for probes."""
        return self.state not in ("starting", "ready")

    def admits(self, now: float) -> bool:
        """Whether a request may be sent now."""
        return not self.in_trouble or (not self._probing and now >= self.retry_at)

    def admit(self, now: float) -> bool:
        """Let a request through, if possible; then one of the methods below must be called when it ends."""
        if not self.admits(now):
            return False
        self._probing = self.in_trouble
        return True

    def succeeded(self) -> None:
        """A request succeeded."""
        self.state, self.message = "ready", ""
        self._in_a_row, self._probing = 0, False

    def failed(self, began: float, now: float, error: BackendError) -> None:
        """A request that began at `began` failed at `now` because of the server (`error.trouble`)."""
        if error.trouble is None:
            self.abandoned(now)
            return
        # Requests in flight at the same time fail together, which counts as one failure.
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
        """A request ended without revealing anything about the server, for example because it was cancelled."""
        if self._probing:
            self._probing = False
            self.retry_at = max(self.retry_at, now + _ABANDONED_S)

    def reset(self) -> None:
        """Forget everything, for example because the user wants a fresh start."""
        self.state, self.message, self.retry_at = "starting", "", 0.0
        self._in_a_row, self._probing = 0, False
