"""The prediction of a step's duration from earlier steps."""

from __future__ import annotations

import pytest

from aix_lsp.engine.scheduling.cost import CostModel, Work


def test_cost_model_learns_its_terms() -> None:
    model = CostModel()
    shapes = [(1, 1, 300), (4, 4, 900), (1, 200, 100), (8, 8, 1200), (2, 90, 500), (1, 500, 700)] * 40
    for rows, tokens, context in shapes:
        work = Work(rows, tokens, tokens * context)
        model.observe(work, 2e-3 + 4e-4 * rows + 1e-4 * tokens + 1e-8 * work.attended)
    assert model.error < 0.02
    assert model.predict(Work(4, 100, 100 * 400)) == pytest.approx(0.0140, rel=0.05)
    assert model.tokens_within(0.05, Work(1, 1, 300), 500) == pytest.approx(450, rel=0.1)


def test_single_tokens_have_their_own_cost_that_long_steps_do_not_drown_out() -> None:
    model = CostModel()
    for at in range(200):
        for tokens, seconds in ((1, 1e-3), (9, 5e-3), (1, 1.1e-3), (300 + at, 0.1)):
            model.observe(Work(1, tokens, tokens * 400), seconds)
    assert model.predict(Work(1, 1, 400)) == pytest.approx(1.05e-3, rel=0.2)
    assert model.predict(Work(1, 9, 9 * 400)) == pytest.approx(5e-3, rel=0.2)


def test_cost_model_survives_an_outlier_and_identical_steps() -> None:
    model = CostModel()
    for _ in range(3000):
        model.observe(Work(1, 1, 500), 2e-3)
    model.observe(Work(1, 1, 500), 5.0)
    assert model.predict(Work(1, 1, 500)) < 5e-3
    assert 1e-3 < model.predict(Work(16, 16, 16 * 500)) < 0.1
