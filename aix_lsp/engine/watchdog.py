"""Aborts steps that take too long, and ends the process if that fails. Knows neither HTTP nor scheduling."""

from __future__ import annotations

import faulthandler
import logging
import sys
from collections.abc import Callable

from aix_lsp.engine.engine import Engine

log = logging.getLogger(__name__)

_PATIENCE = 1.5
"""A step that takes this many times the limit is considered hung."""

_GAVE_UP = (
    "a step of the model took more than {seconds:.0f} s and was aborted; choose a smaller model (setting "
    "model) or smaller prompts (prefixLines, suffixLines) if this goes on"
)
_HANGS = "the engine hung in a step and is restarting; try again in a moment"


class Watchdog:
    """Checks the step in flight whenever `check` is called.

    The requests of a step beyond the limit are failed, which ends it before its next layer if it is only slow; the
    engine then continues. A step that still does not end hangs in an operation, and Python cannot end the thread: all
    requests are failed, and `leave` is called with the reason, so that a new process takes over.
    """

    def __init__(self, engine: Engine, limit_s: float, leave: Callable[[str], None]) -> None:
        """`limit_s` is in seconds; 0 disables the watchdog."""
        self._engine = engine
        self._limit = limit_s
        self._leave = leave
        self._reported = 0.0

    def check(self) -> None:
        """Check the step in flight, and act if it takes too long."""
        started, seconds = self._engine.step_in_flight()
        if not self._limit or seconds <= self._limit:
            return
        if started != self._reported:
            self._reported = started
            log.error("a step has been running for %.0f s and is aborted; the stack of each thread:", seconds)
            faulthandler.dump_traceback(sys.stderr)
            self._engine.give_up_step(_GAVE_UP.format(seconds=self._limit))
        elif seconds > _PATIENCE * self._limit:
            self._engine.abandon(_HANGS)
            self._leave(f"a step has been hanging for {seconds:.0f} s")
