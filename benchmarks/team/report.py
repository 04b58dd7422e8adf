"""Reports the typists' results by class and by user, and the table's rows with their goals. Starts nothing."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from benchmarks.stats import percentile
from benchmarks.team.typists import RequestRecord


@dataclass(frozen=True)
class Row:
    """One figure, and its goal if there is one."""

    name: str
    value: float
    unit: str = ""
    goal: float | None = None
    at_most: bool = True

    @property
    def reached(self) -> bool:
        if self.goal is None:
            return True
        return self.value <= self.goal if self.at_most else self.value >= self.goal

    def line(self) -> str:
        """The row for people."""
        if self.goal is None:
            return f"  {self.name:66} {self.value:9.3f} {self.unit}"
        sign, said = "≤" if self.at_most else "≥", "reached" if self.reached else "MISSED"
        return f"  {self.name:66} {self.value:9.3f} {self.unit}  goal {sign} {self.goal:g}: {said}"


def rate(asked: Sequence[RequestRecord], seconds: float) -> float:
    """Complete suggestions per second of typing."""
    return sum(one.end == "complete" and one.ended_at <= seconds for one in asked) / seconds


def first_text_ms(asked: Iterable[RequestRecord], percent: float) -> float:
    """Time to the first text; requests overtaken before it count with the time they waited."""
    return percentile(
        [one.first_or_waited_ms for one in asked if one.end in ("complete", "overtaken")], percent
    )


def prefix_share(asked: Iterable[RequestRecord]) -> float:
    """Of the answered requests that continue earlier typing, the share that found most of their prompt cached."""
    told = [one for one in asked if one.continues and one.end == "complete"]
    return sum(one.met_prefix for one in told) / len(told) if told else math.nan


def reused(asked: Sequence[RequestRecord]) -> float:
    """Share of prompt tokens that were cached."""
    return sum(one.cached_tokens for one in asked) / max(1, sum(one.prompt_tokens for one in asked))


def count(asked: Iterable[RequestRecord], *ends: str) -> int:
    return sum(one.end in ends for one in asked)


def errors(asked: Iterable[RequestRecord]) -> list[str]:
    """The different messages of failed requests."""
    return sorted({one.message for one in asked if one.end == "error"})


_COLUMNS = "  {:24} {:>6} {:>8} {:>9} {:>6} {:>5} {:>8} {:>8} {:>8}"
_HEAD = _COLUMNS.format("", "asked", "answered", "overtaken", "failed", "lost", "p50 ms", "p95 ms", "tokens")


def table(asked: Sequence[RequestRecord], by: Callable[[RequestRecord], str], most: int = 8) -> list[str]:
    """A line for each of the first few groups, and one for the others together."""
    groups: dict[str, list[RequestRecord]] = {}
    for one in asked:
        groups.setdefault(by(one), []).append(one)
    names = sorted(groups)
    if len(names) > most:
        rest = [one for name in names[most:] for one in groups.pop(name)]
        groups[f"{len(names) - most} others"] = rest
    return [_HEAD, *(_line(name, ones) for name, ones in groups.items())]


def _line(name: str, ones: Sequence[RequestRecord]) -> str:
    counts = (count(ones, "complete"), count(ones, "overtaken"), count(ones, "error"), count(ones, "lost"))
    first = (first_text_ms(ones, 50), first_text_ms(ones, 95))
    tokens = sum(one.tokens for one in ones)
    return _COLUMNS.format(name, len(ones), *counts, *(f"{value:.1f}" for value in first), tokens)


def regained_s(
    asked: Sequence[RequestRecord], event_s: float, until_s: float, share: float = 0.9, window_s: float = 2.0
) -> float:
    """Seconds after an event until there are as many answers per window of time as before it.

    The reference is the mean of the windows before the event; NaN if it is not reached by `until_s`.
    """
    done = sorted(one.ended_at for one in asked if one.end == "complete")
    before = sum(at <= event_s for at in done) / event_s * window_s
    at = event_s + window_s
    while at <= until_s:
        if sum(at - window_s < moment <= at for moment in done) >= share * before:
            return at - event_s
        at += 0.1
    return math.nan
