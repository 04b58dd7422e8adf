"""Turns what was seen and pressed into figures, with intervals over files. Pure.

Intervals are percentile bootstraps: files are drawn with replacement, the same for both sides of a ratio.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from benchmarks.replay.person import Look, Work
from benchmarks.stats import percentile

PATIENCES_MS = (50, 100, 200, 400)
"""Time limits at which acceptance is reported."""

DRAWS = 400


@dataclass
class Totals:
    """Sums over the work on some files, and the times of all answers."""

    sums: Counter[str] = field(default_factory=Counter)
    first_ms: list[float] = field(default_factory=list)
    final_ms: list[float] = field(default_factory=list)

    def add(self, other: Totals) -> None:
        self.sums.update(other.sums)
        self.first_ms += other.first_ms
        self.final_ms += other.final_ms


def totals_of(work: Work) -> Totals:
    """The sums of one file."""
    found = Totals()
    found.sums.update({"keys": work.keys, "alone": work.keys_alone, "goal": work.goal, "taken": work.taken})
    found.sums.update({name: int(value) for name, value in work.counts.items()})
    found.sums["asks"] = len(work.looks)
    for look in work.looks:
        _count(look, found)
    found.sums["accepted"] = _accepted(work.looks)
    return found


def _count(look: Look, found: Totals) -> None:
    sums = found.sums
    if look.offer.text:
        sums["offered"] += 1
        sums["reused"] += look.offer.reused
        if look.first_ms is not None:
            found.first_ms.append(look.first_ms)
        if look.final_ms is not None:
            found.final_ms.append(look.final_ms)
    if look.flaws is not None:
        sums["shown"] += 1
        sums["doubled"] += look.flaws.doubled
        sums["brackets"] += look.flaws.brackets
        sums["broken"] += look.flaws.broken
    if look.take is not None:
        sums[f"taken_{look.take.how}"] += len(look.take.text)
        for limit in PATIENCES_MS:
            sums[f"within_{limit}"] += look.waited_ms <= limit


def _accepted(looks: Sequence[Look]) -> int:
    """The number of different suggestions of which something was accepted."""
    accepted, open_ = 0, False
    for look in looks:
        open_ = open_ or look.fresh
        if look.take is not None and open_:
            accepted, open_ = accepted + 1, False
    return accepted


def combined(totals: Sequence[Totals]) -> Totals:
    """The sum of all totals."""
    whole = Totals()
    for each in totals:
        whole.add(each)
    return whole


Figure = Callable[[Totals], float]


@dataclass(frozen=True)
class Measure:
    """A figure, with its name in JSON and its label."""

    name: str
    label: str
    figure: Figure
    form: str = "{:.3f}"


def share(part: str, whole: str) -> Figure:
    """The ratio of two sums; NaN if the second is 0."""
    return lambda t: t.sums[part] / t.sums[whole] if t.sums[whole] else math.nan


def _percent(times: str, percent: float) -> Figure:
    return lambda t: percentile(getattr(t, times), percent)


_PERCENT = "{:.1%}"
MEASURES: tuple[Measure, ...] = (
    Measure("saved", "keystrokes saved", lambda t: 1 - share("keys", "alone")(t), _PERCENT),
    Measure("kept", "characters from suggestions", share("taken", "goal"), _PERCENT),
    Measure("accepted", "accepted, of shown", share("accepted", "shown"), _PERCENT),
    Measure("shown_per_accepted", "shown per accepted", share("shown", "accepted"), "{:.1f}"),
    *(
        Measure(
            f"within_{limit}",
            f"accepted within {limit} ms, of requests",
            share(f"within_{limit}", "asks"),
            _PERCENT,
        )
        for limit in PATIENCES_MS
    ),
    *(
        Measure(
            f"taken_{how}", f"accepted characters taken {label}", share(f"taken_{how}", "taken"), _PERCENT
        )
        for how, label in (("whole", "whole"), ("line", "by line"), ("word", "by word"))
    ),
    Measure("reused", "answered from reuse, of offered", share("reused", "offered"), _PERCENT),
    Measure("joined", "answered by a call under way", share("joined", "answered"), _PERCENT),
    Measure("calls", "model calls per accepted character", share("calls", "taken")),
    Measure("tokens", "model tokens per accepted character", share("tokens", "taken")),
    Measure("wasted", "tokens nobody was shown, of all", share("wasted_tokens", "tokens"), _PERCENT),
    Measure("doubled", "what follows doubled, of shown", share("doubled", "shown"), "{:.2%}"),
    Measure("brackets", "bracket errors, of shown", share("brackets", "shown"), "{:.2%}"),
    Measure("parses", "no new syntax error, of shown", lambda t: 1 - share("broken", "shown")(t), _PERCENT),
    Measure("first_p50", "first text, p50 ms", _percent("first_ms", 50), "{:.0f}"),
    Measure("first_p95", "first text, p95 ms", _percent("first_ms", 95), "{:.0f}"),
    Measure("final_p50", "whole answer, p50 ms", _percent("final_ms", 50), "{:.0f}"),
    Measure("final_p95", "whole answer, p95 ms", _percent("final_ms", 95), "{:.0f}"),
)


@dataclass(frozen=True)
class Estimate:
    """A value with the bounds of its 95 % interval."""

    value: float
    low: float
    high: float


def estimates(totals: Sequence[Totals], seed: int = 1) -> dict[str, Estimate]:
    """Every measure of one side."""
    draws = [combined([totals[i] for i in chosen]) for chosen in _draws(len(totals), seed)]
    whole = combined(totals)
    return {m.name: _estimate(m.figure(whole), [m.figure(draw) for draw in draws]) for m in MEASURES}


def ratios(ours: Sequence[Totals], theirs: Sequence[Totals], seed: int = 1) -> dict[str, Estimate]:
    """The ratio of every measure between two sides with the same files."""
    pairs = [
        (combined([ours[i] for i in chosen]), combined([theirs[i] for i in chosen]))
        for chosen in _draws(len(ours), seed)
    ]
    whole = combined(ours), combined(theirs)
    return {
        m.name: _estimate(_ratio(m, *whole), [_ratio(m, mine, other) for mine, other in pairs])
        for m in MEASURES
    }


def _ratio(measure: Measure, ours: Totals, theirs: Totals) -> float:
    other = measure.figure(theirs)
    return measure.figure(ours) / other if other else math.nan


def _draws(count: int, seed: int) -> list[list[int]]:
    draw = random.Random(seed)
    return [draw.choices(range(count), k=count) for _ in range(DRAWS)] if count > 1 else []


def _estimate(value: float, draws: Sequence[float]) -> Estimate:
    known = [draw for draw in draws if not math.isnan(draw)]
    return Estimate(value, percentile(known, 2.5), percentile(known, 97.5))
