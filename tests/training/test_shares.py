"""Recall's shares: their values in cases where the correct values are known."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from aix_lsp.engine.scheduling.recall import Shares
from aix_lsp.training.corpus import Document
from aix_lsp.training.evaluation.cursors import Cursor
from tests.training.test_evaluation import _TEXT, Silent, tokenizer
from training import shares
from training.completer import Expected, RecallCompleter

__all__ = ["tokenizer"]


@pytest.mark.parametrize("right", [0.2, 0.5, 0.9])
def test_a_share_is_how_often_recall_was_right_alone(right: float) -> None:
    rng = Random(1)
    observed = [
        Expected(3, False, 0.001, 1.0) if rng.random() < right else Expected(3, False, 0.9, 0.0)
        for _ in range(4000)
    ]
    assert shares.fit(observed).corpus[3] == pytest.approx(right, abs=0.03)


def test_lengths_are_fitted_separately_and_long_ones_together() -> None:
    observed = [Expected(1, False, 0.9, 0.0)] * 500 + [
        Expected(n, False, 0.01, 1.0) for n in range(16, 40)
    ] * 50
    fitted = shares.fit(observed).corpus
    assert len(fitted) == shares.LONGEST + 1
    assert fitted[0] == 0
    assert fitted[1] < 0.05 < 0.9 < fitted[16]


def test_an_unseen_length_gets_the_share_of_the_next_shorter_one() -> None:
    fitted = shares.fit([Expected(1, False, 0.001, 1.0)] * 1000).corpus
    assert fitted[2] == pytest.approx(fitted[1])


def test_the_prompts_own_matches_are_fitted_separately() -> None:
    own = [Expected(2, True, 0.9, 0.0)] * 500
    fitted = shares.fit(own + [Expected(2, False, 0.01, 1.0)] * 500)
    assert fitted.of(2, own=True) < 0.05 < 0.9 < fitted.of(2, own=False)


def test_fitted_shares_are_better_than_others() -> None:
    rng = Random(2)
    observed = [Expected(2, False, 0.1, float(rng.random() < 0.6)) for _ in range(1000)]
    fitted = shares.fit(observed)
    assert shares.bits(observed, fitted) < shares.bits(observed, Shares([], [0.0] * 3))
    assert shares.bits(observed, fitted) < shares.bits(observed, Shares([], [0.9] * 3))


def test_earlier_text_is_observed_with_the_length_of_its_match(tokenizer: object, tmp_path: Path) -> None:
    text = f"{_TEXT}\n\n{_TEXT}"
    at = text.rindex("result +=") + len("result +=")
    place = Cursor(Document("p", "python", "a.py", text), "after a sign", at, text.index("\n", at))
    observed = shares.observe(RecallCompleter(Silent(tokenizer, ""), []), [place])
    assert observed
    assert all(expected.by_recall == 1 and expected.matched >= 2 and expected.own for expected in observed)
    lengths = [expected.matched for expected in observed]
    assert lengths == sorted(lengths)
