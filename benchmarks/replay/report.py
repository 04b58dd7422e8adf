"""The replay's figures as tables for people, and as JSON. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from benchmarks.replay.figures import MEASURES, Estimate, Measure, Totals, estimates, ratios

TotalsBySide = Mapping[str, Sequence[Totals]]
"""The totals of each side, with files in the same order."""

BY_LANGUAGE = ("saved", "kept", "accepted", "tokens", "doubled", "brackets", "parses")
"""Measures reported for each language."""

_WIDTH = 28


def table(sides: TotalsBySide, names: Sequence[str] = ()) -> list[str]:
    """A row for each measure (or those in `names`): each side, and its ratio to the first."""
    first, *others = sides
    heads = [*sides, *(f"{first} ÷ {other}" for other in others)]
    rows = [f"{'':38}" + "".join(f"{head[: _WIDTH - 2]:>{_WIDTH}}" for head in heads)]
    found = {name: estimates(totals) for name, totals in sides.items()}
    against = [ratios(sides[first], sides[other]) for other in others]
    for measure in MEASURES:
        if not names or measure.name in names:
            cells = [_cell(found[side][measure.name], measure) for side in sides]
            cells += [_cell(ratio[measure.name], None) for ratio in against]
            rows.append(f"  {measure.label:36}" + "".join(f"{cell:>{_WIDTH}}" for cell in cells))
    return rows


def _cell(estimate: Estimate, measure: Measure | None) -> str:
    form = measure.form if measure else "{:.2f}"
    if math.isnan(estimate.value):
        return "–"
    low, high = ("–" if math.isnan(v) else form.format(v) for v in (estimate.low, estimate.high))
    return f"{form.format(estimate.value)} [{low}, {high}]"


_ABLATED = ("accepted", "reused", "doubled", "brackets", "parses")


def ablation(
    totals: TotalsBySide, against: Mapping[str, str], typed: Mapping[str, int], files: int
) -> Iterator[str]:
    """A Markdown table with a row for each side: its figures, and the ratio of its reference's figures to them.

    `typed` is the number of `files` in which the row could have made a difference.
    """
    known = {measure.name: measure for measure in MEASURES}
    heads = ["our side, except", f"of {files} files", "keys saved", "ours ÷ it"]
    heads += [known["tokens"].label, "ours ÷ it", *(known[name].label for name in _ABLATED)]
    yield f"| {' | '.join(heads)} |"
    yield "|" + "---|" * len(heads)
    for name, each in totals.items():
        found, base = estimates(each), totals[against[name]]
        ratio = ratios(base, each) if base is not each and typed[name] else None
        cells = [name, str(typed[name])]
        for measure in ("saved", "tokens"):
            cells += [
                _cell(found[measure], known[measure]),
                _cell(ratio[measure], None) if ratio else "",
            ]
        cells += [known[measure].form.format(found[measure].value) for measure in _ABLATED]
        yield f"| {' | '.join(cells)} |"


def as_json(sides: TotalsBySide) -> dict[str, Any]:
    """Figures, ratios to the first side, and the underlying sums."""
    first, *others = sides
    return {
        "sides": {name: _plain(estimates(totals)) for name, totals in sides.items()},
        "ratios": {other: _plain(ratios(sides[first], sides[other])) for other in others},
        "files": {name: [dict(each.sums) for each in totals] for name, totals in sides.items()},
    }


def _plain(found: Mapping[str, Estimate]) -> dict[str, dict[str, float | None]]:
    """Replace NaN, which JSON lacks."""
    return {
        name: {key: None if math.isnan(value) else value for key, value in asdict(estimate).items()}
        for name, estimate in found.items()
    }
