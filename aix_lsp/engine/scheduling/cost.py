"""Predicts how long a step takes, from steps that were run. Pure arithmetic: knows no sequences, no model.

Recursive least squares with exponential forgetting (Haykin, Adaptive Filter Theory, ch. 10) over
time = a + b·rows + c·tokens + d·(tokens × context), the shape that the parts of a transformer step have.
"""

from __future__ import annotations

from typing import NamedTuple

_FORGET = 0.985
_PRIOR = 1e4
_WIND_UP = 1e6
_CONTEXT_UNIT = 1e-4
_OUTLIER = 4.0
_TRUSTED = 16


class Work(NamedTuple):
    """What a step computes: `rows` sequences, `tokens` of them in all, and for attention the sum over
    tokens of the context that each looks at."""

    rows: int
    tokens: int
    attended: int


class CostModel:
    """Step time in seconds as a function of Work, fitted as steps are observed."""

    def __init__(self) -> None:
        self.observed = 0
        self.error = 0.0
        """Moving mean of |predicted − measured| / measured."""
        self._weights = [1e-3, 1e-4, 1e-4, 1e-5]
        self._inverse = [[_PRIOR if i == j else 0.0 for j in range(4)] for i in range(4)]

    @staticmethod
    def _features(work: Work) -> tuple[float, float, float, float]:
        return 1.0, float(work.rows), float(work.tokens), work.attended * _CONTEXT_UNIT

    def predict(self, work: Work) -> float:
        """Expected seconds of a step; never below a tenth of a millisecond."""
        return max(sum(map(float.__mul__, self._weights, self._features(work))), 1e-4)

    def observe(self, work: Work, seconds: float) -> None:
        """Learn from a finished step."""
        predicted = self.predict(work)
        relative = abs(predicted - seconds) / max(seconds, 1e-6)
        if self.observed >= _TRUSTED:
            seconds = min(seconds, predicted * _OUTLIER)
            self.error += 0.05 * (min(relative, 10.0) - self.error)
        self.observed += 1
        self._update(self._features(work), seconds)

    def _update(self, x: tuple[float, float, float, float], seconds: float) -> None:
        inverse = self._inverse
        px = [row[0] * x[0] + row[1] * x[1] + row[2] * x[2] + row[3] * x[3] for row in inverse]
        scale = _FORGET + sum(map(float.__mul__, x, px))
        error = seconds - sum(map(float.__mul__, self._weights, x))
        self._weights = [w + p / scale * error for w, p in zip(self._weights, px, strict=True)]
        # Steps that are all alike teach nothing about the other directions, whose certainty must not fade
        # for it.
        forget = _FORGET if sum(inverse[i][i] for i in range(4)) < _WIND_UP else 1.0
        self._inverse = [
            [(v - p * q / scale) / forget for v, q in zip(row, px, strict=True)]
            for row, p in zip(inverse, px, strict=True)
        ]

    def tokens_within(self, seconds: float, work: Work, context: int) -> int:
        """How many more tokens, each looking at about `context` others, fit beside `work` into a step."""
        spare = seconds - self.predict(work)
        each = max(self._weights[2], 0.0) + max(self._weights[3], 0.0) * context * _CONTEXT_UNIT
        return max(int(spare / max(each, 1e-7)), 0)
