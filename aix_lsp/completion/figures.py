"""From counts to the figures that a client shows: shares, median and tail, tokens. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aix_lsp.statistics import COUNTS, quantile


def figures(counts: Mapping[str, float]) -> dict[str, Any]:
    """The counts of aix_lsp.statistics, and what follows from them; None where nothing was counted."""
    taken = counts.get("accepted", 0) + counts.get("partly", 0)
    return {name: int(counts.get(name, 0)) for name in COUNTS} | {
        "acceptance": _share(taken, counts.get("shown", 0)),
        "reuse": _share(counts.get("reused", 0), counts.get("answered", 0)),
        "cache": _share(counts.get("cached_tokens", 0), counts.get("prompt_tokens", 0)),
        "survival": _share(counts.get("surviving_characters", 0), counts.get("checked_characters", 0)),
        "first_text_ms": {"p50": _bound(quantile(counts, 0.5)), "p95": _bound(quantile(counts, 0.95))},
    }


def _share(part: float, whole: float) -> float | None:
    return round(part / whole, 4) if whole else None


def _bound(milliseconds: float | None) -> float | None:
    """JSON has no infinity."""
    return None if milliseconds == float("inf") else milliseconds
