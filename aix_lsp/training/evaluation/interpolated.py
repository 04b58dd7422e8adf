"""A model whose chances are mixed with what followed the same tokens earlier in the prompt..

An n-gram model of unbounded order over one sequence (after Liu et al. 2024, "Infini-gram"):
the longest end of the sequence that stood earlier in it says what followed there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aix_lsp.training.evaluation.completer import Logits, NextToken

Weight = Callable[[int], float]
"""The share of the n-gram's chances by the length of the match in tokens."""

_LONGEST = 24


def saturating(half: float, most: float = 0.9, least_match: int = 2) -> Weight:
    """A share that grows with the match: half of `most` at `half` tokens beyond the least."""

    def weight(length: int) -> float:
        beyond = length - least_match + 1
        return 0.0 if beyond < 1 else most * beyond / (beyond + half)

    return weight


class Interpolated:
    """A NextToken that mixes another one's chances with those of earlier matches."""

    def __init__(self, model: NextToken, weight: Weight, name: str) -> None:
        self._model, self._weight = model, weight
        self.name = name
        self.tokenizer: Any = model.tokenizer
        self.context = model.context
        self._tokens: list[int] = []

    def start(self, tokens: Sequence[int]) -> Logits:
        """See NextToken."""
        self._tokens = list(tokens)
        return self._mixed(self._model.start(tokens))

    def add(self, token: int) -> Logits:
        """See NextToken."""
        self._tokens.append(token)
        return self._mixed(self._model.add(token))

    def nats(self, tokens: Sequence[int]) -> float:
        """See NextToken."""
        scores, total = self.start(tokens[:1]), 0.0
        for token in tokens[1:]:
            total -= float(scores[token] - _log_sum(scores))
            scores = self.add(token)
        return total

    def _mixed(self, scores: Logits) -> Logits:
        length, followers = longest_match(np.array(self._tokens))
        share = self._weight(length)
        if not share or not len(followers):
            return scores
        chances = np.exp(scores - _log_sum(scores)) * (1 - share)
        np.add.at(chances, followers, share / len(followers))
        mixed: Logits = np.log(chances + 1e-12).astype(np.float32)
        return mixed


def longest_match(tokens: NDArray[np.int64]) -> tuple[int, NDArray[np.int64]]:
    """(length, tokens that followed) of the longest end of the sequence that also stands earlier in it."""
    ends = np.flatnonzero(tokens[:-1] == tokens[-1])
    length, found = 0, ends
    while len(ends) and length < _LONGEST:
        length, found = length + 1, ends
        ends = ends[ends >= length]
        if len(tokens) <= length:
            break
        ends = ends[tokens[ends - length] == tokens[-1 - length]]
    return length, tokens[found + 1]


def _log_sum(scores: Logits) -> float:
    top = float(scores.max())
    return top + float(np.log(np.exp(scores - top).sum()))
