"""Aborts steps that take too long, and ends the process if a step cannot be aborted. Knows the engine from outside;
no HTTP, no scheduling.
"""

from __future__ import annotations

import faulthandler
import logging
import sys
from collections.abc import Callable

from aix_lsp.engine.engine import Engine

log = logging.getLogger(__name__)

_PATIENCE = 1.5
"""How many times the limit a step may take before the process is given up."""

_GAVE_UP = (
    "a step of the model took more than {seconds:.0f} s and was aborted; choose a smaller model (setting "
    "model) or smaller prompts (prefixLines, suffixLines) if this goes on"
)
_HANGS = "the engine hung in a step and is restarting; try again in a moment"


class Watchdog:
    """Looks at the step in flight whenever it is asked to.

    A step beyond the limit loses its requests, which ends it before its next layer: it was only slow, and
    the engine serves on. One that does not end by that hangs in an operation, and Python cannot end the
    thread: all requests are failed and `leave` is called with the reason, for a new process to take over.
    """

    def __init__(self, engine: Engine, limit_s: float, leave: Callable[[str], None]) -> None:
        """`limit_s` is in seconds; 0 watches nothing."""
        self._engine = engine
        self._limit = limit_s
        self._leave = leave
        self._told = 0.0

    def look(self) -> None:
        """See how the step in flight is doing, and act."""
        started, seconds = self._engine.step_in_flight()
        if not self._limit or seconds <= self._limit:
            return
        if started != self._told:
            self._told = started
            log.error("a step has been running for %.0f s and is aborted; the stack of each thread:", seconds)
            faulthandler.dump_traceback(sys.stderr)
            self._engine.give_up_step(_GAVE_UP.format(seconds=self._limit))
        elif seconds > _PATIENCE * self._limit:
            self._engine.abandon(_HANGS)
            self._leave(f"a step has been hanging for {seconds:.0f} s")
