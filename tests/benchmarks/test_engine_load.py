"""Means and quantiles between two readings of the engine's metrics."""

from __future__ import annotations

import math

import pytest

from aix_lsp.engine.metrics import EngineMetrics
from benchmarks.engine_load import Figure, mean, quantile
from tests.client.engine_watch import parse_metrics


def test_only_the_change_between_two_readings_counts() -> None:
    metrics = EngineMetrics()
    for steps in (8, 8, 8, 8):
        metrics.cancel_to_free_steps.observe(steps)
    before = parse_metrics(metrics.text().decode())
    assert math.isnan(mean(before, before, "cancel_to_free_steps"))
    for steps in [0] * 10 + [1] * 9 + [2]:
        metrics.cancel_to_free_steps.observe(steps)
    after = parse_metrics(metrics.text().decode())
    assert mean(before, after, "cancel_to_free_steps") == pytest.approx(11 / 20)
    assert [quantile(before, after, "cancel_to_free_steps", share) for share in (0.5, 0.95, 1.0)] == [0, 1, 2]


def test_a_goal_is_an_upper_bound() -> None:
    assert Figure("x", 0.2, "ms", 0.2).reached and Figure("x", 9.0, "ms").reached
    assert not Figure("x", 0.21, "ms", 0.2).reached and not Figure("x", math.nan, "ms", 0.2).reached
