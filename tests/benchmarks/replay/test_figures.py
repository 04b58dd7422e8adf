"""Figures computed from looks at suggestions, and their intervals."""

from __future__ import annotations

import math

import pytest

from benchmarks.replay.acceptance import Acceptance
from benchmarks.replay.figures import MEASURES, Totals, combined, estimates, ratios, totals_of
from benchmarks.replay.flaws import Flaws
from benchmarks.replay.person import Look, Work
from benchmarks.replay.report import as_json, table
from benchmarks.replay.sides import NOTHING, Offer

CLEAN = Flaws()


def looks() -> list[Look]:
    """One suggestion typed along and then accepted, a broken one, none, and one accepted in two parts."""
    return [
        Look(20, 40, 40, Offer("abcdef"), True, None, CLEAN),
        Look(1, 2, 2, Offer("bcdef", reused=True), False, Acceptance("whole", "bcdef", 1)),
        Look(30, 60, 60, Offer("x)"), True, None, Flaws(doubled=True, brackets=True, broken=True)),
        Look(None, 5, 5, NOTHING, False),
        Look(70, 150, 150, Offer("foo\nbar\nbaz"), True, Acceptance("line", "foo\nbar", 2), CLEAN),
        Look(1, 1, 1, Offer("\nbaz", reused=True), False, Acceptance("word", "\nbaz", 1)),
    ]


def work(keys: int = 60) -> Work:
    counts: dict[str, float] = {"calls": 3, "tokens": 32, "wasted_tokens": 8, "answered": 5, "joined": 1}
    return Work(looks(), keys=keys, keys_alone=80, goal=100, taken=16, counts=counts, finished=True)


def values(found: Totals) -> dict[str, float]:
    return {measure.name: measure.figure(found) for measure in MEASURES}


def test_every_figure_of_a_known_run() -> None:
    assert values(totals_of(work())) == pytest.approx(
        {
            "saved": 0.25,
            "kept": 0.16,
            "accepted": 2 / 3,
            "shown_per_accepted": 1.5,
            "within_50": 2 / 6,
            "within_100": 2 / 6,
            "within_200": 3 / 6,
            "within_400": 3 / 6,
            "taken_whole": 5 / 16,
            "taken_line": 7 / 16,
            "taken_word": 4 / 16,
            "reused": 2 / 5,
            "joined": 1 / 5,
            "calls": 3 / 16,
            "tokens": 2.0,
            "wasted": 0.25,
            "doubled": 1 / 3,
            "brackets": 1 / 3,
            "parses": 2 / 3,
            "first_p50": 20,
            "first_p95": 70,
            "final_p50": 40,
            "final_p95": 150,
        }
    )


def test_nothing_shown_gives_no_figure_and_no_error() -> None:
    empty = Work(keys=10, keys_alone=10, goal=10)
    found = values(totals_of(empty))
    assert found["saved"] == 0
    assert math.isnan(found["accepted"])
    sides = {"ours": [totals_of(empty)] * 2, "bare": [totals_of(work())] * 2}
    assert "–" in "\n".join(table(sides))
    assert as_json(sides)["sides"]["ours"]["accepted"]["value"] is None


def test_intervals_hold_the_value_and_shrink_with_files() -> None:
    def width(count: int) -> float:
        found = estimates([totals_of(work(keys)) for keys in (40, 80) * count])["saved"]
        assert found.low <= found.value <= found.high
        return found.high - found.low

    assert width(40) < width(5)


def test_a_ratio_is_paired() -> None:
    ours, theirs = (
        [totals_of(work(keys)) for keys in (20, 40, 60)],
        [totals_of(work(keys)) for keys in (50, 60, 70)],
    )
    found = ratios(ours, theirs)["saved"]
    assert (found.value, found.low, found.high) == pytest.approx((2, 2, 2))


def test_a_total_is_the_sum() -> None:
    whole = combined([totals_of(work()), totals_of(work())])
    assert whole.sums["taken"] == 32
    assert len(whole.first_ms) == 10
