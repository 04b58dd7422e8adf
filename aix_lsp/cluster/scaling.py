"""Decides how many replicas there should be, by the requests in flight and the time to first text.

Ray applies the lower and the upper limit, and waits `upscale_delay_s` and `downscale_delay_s` before it acts.
"""

from __future__ import annotations

import math
from statistics import median
from typing import Any


class QueueAndFirstText:
    """Ray Serve's policy interface: called with an AutoscalingContext every tenth of a second."""

    def __init__(self, first_text_ms: float = 300.0) -> None:
        """First texts later than this (95th percentile of the median replica) call for one more replica."""
        self._late_ms = first_text_ms

    def __call__(self, context: Any) -> tuple[int, dict[str, Any]]:
        late = [float(value) for value in context.aggregated_metrics.get("first_text_ms", {}).values()]
        return (
            wanted(
                context.current_num_replicas,
                context.total_num_requests,
                context.config.get_target_ongoing_requests(),
                median(late) if late else 0.0,
                self._late_ms,
            ),
            {},
        )


def wanted(now: int, in_flight: float, target: float, first_text_ms: float, late_ms: float) -> int:
    """Enough replicas for `target` requests in flight each; one more than now if first texts are late.

    One less only if the others would stay below three quarters of the target, so that none is stopped and started
    again at once.
    """
    needed = math.ceil(in_flight / target)
    if first_text_ms > late_ms and in_flight > 0:
        return max(needed, now + 1)
    if needed < now and math.ceil(in_flight / (0.75 * target)) >= now:
        return now
    return max(1, needed)
