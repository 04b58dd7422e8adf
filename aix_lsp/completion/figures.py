"""From raw counts to the figures that people look at: shares, medians, tokens. Pure."""

from __future__ import annotations

from collections import Counter
from typing import Any

BUCKETS_MS = (2, 5, 10, 20, 35, 50, 75, 100, 150, 200, 300, 400, 500, 650, 800, 1000, 1500, 2500, 5000)
"""Upper ends of the buckets that times are counted in."""


def figures(counts: Counter[tuple[str, str]]) -> dict[str, Any]:
    """Counts by language and name as figures for people; shares are None where nothing was counted."""
    total: Counter[str] = Counter()
    for (_, name), value in counts.items():
        total[name] += value
    reused, joined, generated = (total[f"answers_{how}"] for how in ("reused", "joined", "generated"))
    return {
        "asks": total["asks"],
        "answers": reused + joined + generated,
        "reused": reused,
        "joined": joined,
        "shown": total["shown"],
        "accepted": total["accepted"],
        "partly_accepted": total["partly"],
        "rejected": total["rejected"],
        "acceptance": _share(total["accepted"] + total["partly"], total["shown"]),
        "accepted_chars": total["accepted_chars"],
        "kept_share": _share(total["kept_chars"], total["checked_chars"]),
        "generations": total["generations"],
        "prompt_tokens": total["prompt_tokens"],
        "cached_tokens": total["cached_tokens"],
        "completion_tokens": total["completion_tokens"],
        "tokens_saved_by_reuse": total["tokens_saved"],
        "first_text_ms": _quantiles(total, "first_text"),
        "total_ms": _quantiles(total, "total"),
    }


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def _quantiles(total: Counter[str], name: str) -> dict[str, float] | None:
    """Median and 95th percentile, as the upper end of the bucket that they fall in."""
    buckets = [total[f"{name}_ms_{bucket:02}"] for bucket in range(len(BUCKETS_MS) + 1)]
    if not sum(buckets):
        return None
    return {"p50": _quantile(buckets, 0.5), "p95": _quantile(buckets, 0.95)}


def _quantile(buckets: list[int], share: float) -> float:
    left = share * sum(buckets)
    for bucket, count in enumerate(buckets):
        left -= count
        if left <= 0:
            return float(BUCKETS_MS[min(bucket, len(BUCKETS_MS) - 1)])
    return float(BUCKETS_MS[-1])
