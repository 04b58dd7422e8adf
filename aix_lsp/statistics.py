"""Keeps counts of suggestions shown and accepted, by day and language. Only numbers, no text or names.

Several servers may write at the same time: each adds what it has counted since it last wrote. None of this ever leaves
the machine.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Final

from aix_lsp import files
from aix_lsp.paths import state_dir

log = logging.getLogger(__name__)

COUNTS: Final = {
    "requests": "requests for suggestions",
    "answered": "requests answered with a suggestion",
    "reused": "requests answered without calling the model",
    "joined": "requests answered by a generation that was already running",
    "generations": "generations started",
    "shown": "suggestions shown",
    "accepted": "suggestions accepted whole",
    "partly": "suggestions accepted in part",
    "rejected": "suggestions rejected",
    "shown_characters": "characters shown",
    "kept_characters": "characters accepted",
    "prompt_tokens": "prompt tokens",
    "cached_tokens": "prompt tokens found in the cache",
    "read_ahead_tokens": "tokens read ahead while the model was idle",
    "completion_tokens": "tokens generated",
    "wasted_tokens": "generated tokens that were not used",
    "saved_tokens": "tokens saved by reuse",
    "checked_characters": "accepted characters that were checked later",
    "retained_characters": "of these, characters still there",
}
"""What is counted under each name."""

LANGUAGE_ID: Final = re.compile(r"[a-z][a-z0-9+#._-]{0,39}", re.IGNORECASE)
"""Language ids that are counted separately: those of the form that editors use, not anything a client may send."""

EDGES_MS: Final = (5, 20, 50, 100, 200, 400, 750, 1500, 5000)
"""Upper edges of the ranges in which times to first text are counted; slower ones count as "slow"."""

_LARGEST = 16 << 20
_DAYS_KEPT = 365
_LOCK_S = 5.0
_MOST = 1e15
"""A count above this, or one that is not finite (Python's JSON allows infinity), means that the file is damaged."""


def latency_name(milliseconds: float) -> str:
    """The name under which a time to first text is counted."""
    edge = next((edge for edge in EDGES_MS if milliseconds <= edge), None)
    return "first_text_slow" if edge is None else f"first_text_{edge}"


def name_in(language: str, name: str) -> str | None:
    """The name under which something is counted for one language; None if `language` is not a valid id."""
    return f"{language.lower()}:{name}" if LANGUAGE_ID.fullmatch(language) else None


def by_language(counts: Mapping[str, float]) -> dict[str, dict[str, float]]:
    """The counts of each language, by its id; the language with the most requests comes first."""
    found: dict[str, dict[str, float]] = {}
    for key, count in counts.items():
        language, colon, name = key.partition(":")
        if colon:
            found.setdefault(language, {})[name] = count
    return dict(sorted(found.items(), key=lambda item: -item[1].get("requests", 0)))


def file() -> Path:
    """The file with the counts."""
    return state_dir() / "statistics.json"


def add(counts: Mapping[str, float]) -> None:
    """Add to today's counts. Blocks for some milliseconds; a file that cannot be written is only logged."""
    from filelock import FileLock, Timeout

    if not any(counts.values()):
        return
    try:
        path = file()
        with FileLock(path.with_suffix(".lock"), timeout=_LOCK_S):
            days = read()
            today = days.setdefault(date.today().isoformat(), {})
            for name, count in counts.items():
                today[name] = today.get(name, 0) + count
            _write(path, days)
    except (OSError, Timeout) as error:
        log.warning("statistics could not be saved: %s", error)


def read() -> dict[str, dict[str, float]]:
    """All counts, by day (ISO date). A damaged file counts as empty."""
    try:
        days = files.read_json(file(), _LARGEST)
    except (OSError, ValueError):
        return {}
    if not isinstance(days, dict):
        return {}
    return {day: _numbers(counts) for day, counts in days.items() if isinstance(counts, dict)}


def total(days: int | None = None) -> dict[str, float]:
    """The sums over the last `days` days, including today; over all days if None."""
    first = "" if days is None else (date.today() - timedelta(days=days - 1)).isoformat()
    found: dict[str, float] = {}
    for day, counts in read().items():
        if day >= first:
            for name, count in counts.items():
                found[name] = found.get(name, 0) + count
    return found


def quantile(counts: Mapping[str, float], share: float) -> float | None:
    """The time to first text (ms) that `share` of the requests stayed below, rounded up to the edge of its range.

    None if nothing was counted, infinite if it is above the last edge.
    """
    ranges = [(float(edge), counts.get(f"first_text_{edge}", 0)) for edge in EDGES_MS]
    ranges.append((float("inf"), counts.get("first_text_slow", 0)))
    wanted = share * sum(count for _, count in ranges)
    if not wanted:
        return None
    for edge, count in ranges:
        wanted -= count
        if wanted <= 0:
            return edge
    return float("inf")


def clear() -> None:
    """Delete all counts."""
    file().unlink(missing_ok=True)


def _numbers(counts: Mapping[str, object]) -> dict[str, float]:
    return {
        name: value for name, value in counts.items() if isinstance(value, int | float) and 0 <= value < _MOST
    }


def _write(path: Path, days: dict[str, dict[str, float]]) -> None:
    kept = dict(sorted(days.items())[-_DAYS_KEPT:])
    files.write_whole(path, json.dumps(kept))
