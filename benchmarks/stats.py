"""Percentiles and ratios, the same way in every benchmark."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence


def percentile(values: Sequence[float], percent: float) -> float:
    """The nearest-rank percentile; NaN of nothing."""
    if not values:
        return math.nan
    ranked = sorted(values)
    return ranked[max(0, math.ceil(percent / 100 * len(ranked)) - 1)]


def busy_warning() -> str:
    """What to know of this machine before believing a figure; empty where it is quiet."""
    cores = os.cpu_count() or 1
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    if load < 0.5 * cores:
        return ""
    return f"this machine is busy (load {load:.1f} on {cores} cores): the figures say little"
