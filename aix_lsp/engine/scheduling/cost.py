"""Predicts how long a step takes, from earlier steps. Pure arithmetic: knows no sequences or models.

Recursive least squares with exponential forgetting (Haykin, Adaptive Filter Theory, ch. 10) over
time = a + b·rows + c·tokens + d·(tokens × context) + e·(more than one token), following the parts of a transformer's
step; the last term is there because products with one vector run different, faster code. Steps are weighted by the
inverse of their predicted time, because the relative error matters: one 100 ms step of prefill must not outweigh fifty
2 ms steps of decoding.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from statistics import median

_FORGET = 0.985
_PRIOR = 1e4
_WIND_UP = 1e6
_CONTEXT_UNIT = 1e-4
_OUTLIER = 2.0
_TRUSTED = 16
_FIRST = 8
_LEAST_S = 3e-4
_REMEMBERED = 64

Features = tuple[float, float, float, float, float]


@dataclass(slots=True)
class Work:
    """What a step computes: `rows` sequences, `tokens` in all, and `attended`, the sum over all tokens of the number of
    tokens that each attends to."""

    rows: int = 0
    tokens: int = 0
    attended: int = 0

    def add(self, tokens: int, context: int) -> None:
        """Add a row whose tokens attend to about `context` others each."""
        self.rows += 1
        self.tokens += tokens
        self.attended += tokens * context


class CostModel:
    """Step time in seconds as a function of Work, fitted to the steps observed."""

    def __init__(self) -> None:
        self.observed = 0
        self._errors: deque[float] = deque(maxlen=_REMEMBERED)
        self._weights = [1e-3, 1e-4, 1e-4, 1e-5, 0.0]
        self._inverse = [[_PRIOR if i == j else 0.0 for j in range(5)] for i in range(5)]

    @property
    def error(self) -> float:
        """Median of |predicted − measured| / measured over the last steps; 0 before the first."""
        errors = list(self._errors)
        return median(errors) if errors else 0.0

    @staticmethod
    def _features(work: Work) -> Features:
        tokens = work.tokens
        return 1.0, float(work.rows), float(tokens), work.attended * _CONTEXT_UNIT, float(tokens > 1)

    def predict(self, work: Work) -> float:
        """Expected seconds of a step, at least a tenth of a millisecond."""
        return max(sum(map(float.__mul__, self._weights, self._features(work))), 1e-4)

    def observe(self, work: Work, seconds: float) -> None:
        """Learn from a finished step."""
        predicted = self.predict(work)
        if self.observed >= _TRUSTED:
            self._errors.append(abs(predicted - seconds) / max(seconds, 1e-6))
            # A step held up by other work on the machine teaches nothing.
            seconds = min(seconds, predicted * _OUTLIER)
        self.observed += 1
        weight = 1.0 / max(seconds if self.observed <= _FIRST else predicted, _LEAST_S)
        one, rows, tokens, attended, several = self._features(work)
        scaled = weight * one, weight * rows, weight * tokens, weight * attended, weight * several
        self._update(scaled, weight * seconds)

    def _update(self, x: Features, y: float) -> None:
        inverse = self._inverse
        a, b, c, d, e = x
        px = [row[0] * a + row[1] * b + row[2] * c + row[3] * d + row[4] * e for row in inverse]
        scale = _FORGET + sum(map(float.__mul__, x, px))
        error = y - sum(map(float.__mul__, self._weights, x))
        self._weights = [w + p / scale * error for w, p in zip(self._weights, px, strict=True)]
        # Steps that are all alike say nothing about the other directions; the certainty about those must not decay.
        forget = _FORGET if sum(inverse[i][i] for i in range(5)) < _WIND_UP else 1.0
        self._inverse = [
            [(v - p * q / scale) / forget for v, q in zip(row, px, strict=True)]
            for row, p in zip(inverse, px, strict=True)
        ]

    def tokens_within(self, seconds: float, work: Work, context: int) -> int:
        """How many more tokens, each attending to about `context` others, fit into a step beside `work`."""
        spare = seconds - self.predict(work)
        each = max(self._weights[2], 0.0) + max(self._weights[3], 0.0) * context * _CONTEXT_UNIT
        return max(int(spare / max(each, 1e-7)), 0)
