"""Fits how much probability recall should get, by the length of its match, to correct continuations."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from aix_lsp.engine.scheduling.recall import Shares
from aix_lsp.training.evaluation.cursors import Cursor
from training.completer import Expected, RecallCompleter

LONGEST = 16
"""Longer matches have a common share."""
_ROUNDS = 60
_FEW = 30
"""Pseudo-observations that keep a rare length's share close to that of the next shorter length."""


def observe(completer: RecallCompleter, places: Iterable[Cursor]) -> list[Expected]:
    """What model and recall expected of each correct token at the cursors, if there was a match."""
    return [
        expected
        for place in places
        for expected in completer.expected(place.prompt(), place.wanted, place.document)
    ]


def fit(observed: Sequence[Expected]) -> Shares:
    """A share for each length from 0 on, by expectation maximisation (Jelinek and Mercer 1980)."""
    return Shares(_by_length([e for e in observed if e.own]), _by_length([e for e in observed if not e.own]))


def _by_length(observed: Sequence[Expected]) -> list[float]:
    shares = [0.0]
    for length in range(1, LONGEST + 1):
        here = [e for e in observed if min(e.matched, LONGEST) == length]
        shares.append(_fitted(here, shares[-1] or 0.25))
    return shares


def _fitted(here: Sequence[Expected], before: float) -> float:
    share = before
    for _ in range(_ROUNDS):
        taken = sum(_responsible(e, share) for e in here)
        share = (taken + before * _FEW) / (len(here) + _FEW)
    return share


def _responsible(expected: Expected, share: float) -> float:
    recalled = share * expected.by_recall
    both = recalled + (1 - share) * expected.by_model
    return recalled / both if both else 0.0


def bits(observed: Sequence[Expected], shares: Shares) -> float:
    """Bits per correct token, with both mixed by these shares."""
    total = 0.0
    for expected in observed:
        share = shares.of(expected.matched, expected.own)
        total -= math.log2(max(share * expected.by_recall + (1 - share) * expected.by_model, 1e-9))
    return total / len(observed) if observed else math.nan
