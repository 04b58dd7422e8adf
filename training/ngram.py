"""An n-gram model of tokens: the baseline that a neural model trained on the same data must beat."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aix_lsp.training.evaluation.completer import Logits

_ORDER = 6
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)


class _Counts:
    """How often each token followed each context of one length; contexts are represented by a 64-bit hash."""

    def __init__(self, contexts: NDArray[np.uint64], following: NDArray[np.uint64], vocabulary: int) -> None:
        # The upper bits are the hash, the lower ones the token: one sort orders both.
        self._bits = np.uint64(int(vocabulary - 1).bit_length())
        keys, self._counts = np.unique((contexts << self._bits) | following, return_counts=True)
        self._keys = keys

    def after(self, context: np.uint64) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(tokens, counts) of what followed a context."""
        low = context << self._bits
        first, last = np.searchsorted(self._keys, [low, low + (np.uint64(1) << self._bits)])
        mask = (np.uint64(1) << self._bits) - np.uint64(1)
        return (self._keys[first:last] & mask).astype(np.int64), self._counts[first:last]


class NgramModel:
    """Witten-Bell smoothing (Chen and Goodman 1999, section 2.4), interpolated, orders 1 to 6."""

    def __init__(self, tokens: Sequence[int], tokenizer: Any, name: str = "n-gram") -> None:
        self.name, self.tokenizer, self.context = name, tokenizer, 4096
        self._size = len(tokenizer.get_vocab())
        ids = np.asarray(tokens, dtype=np.uint64)
        counts = np.bincount(ids.astype(np.int64), minlength=self._size)
        self._unigram = (counts + 1) / (counts.sum() + self._size)
        hashes = np.zeros(len(ids), dtype=np.uint64)
        self._orders = []
        for length in range(1, _ORDER):
            # hashes[i] covers the `length` tokens that end at i.
            shifted = np.concatenate([np.zeros(1, np.uint64), hashes[:-1]])
            hashes = _mix(shifted, ids) if length > 1 else _mix(np.zeros(len(ids), np.uint64), ids)
            self._orders.append(_Counts(_short(hashes[length - 1 : -1]), ids[length:], self._size))
        self._tail: list[int] = []

    def start(self, tokens: Sequence[int]) -> Logits:
        """See NextToken."""
        self._tail = list(tokens[-_ORDER:])
        return self._scores()

    def add(self, token: int) -> Logits:
        """See NextToken."""
        self._tail = [*self._tail, token][-_ORDER:]
        return self._scores()

    def nats(self, tokens: Sequence[int]) -> float:
        """See NextToken."""
        total, self._tail = 0.0, []
        for token, following in pairwise(tokens):
            total -= float(self.add(token)[following])
        return total

    def _scores(self) -> Logits:
        probabilities = self._unigram.copy()
        for length, counts in enumerate(self._orders, 1):
            if length > len(self._tail):
                break
            value = np.zeros(1, np.uint64)
            for token in self._tail[-length:]:
                value = _mix(value, np.array([token], dtype=np.uint64))
            tokens, seen = counts.after(_short(value)[0])
            if not len(tokens):
                break
            probabilities *= len(tokens) / (seen.sum() + len(tokens))
            probabilities[tokens] += seen / (seen.sum() + len(tokens))
        scores: Logits = np.log(probabilities).astype(np.float32)
        return scores


def _mix(hashes: NDArray[np.uint64], ids: NDArray[np.uint64]) -> NDArray[np.uint64]:
    mixed = (hashes ^ (ids + np.uint64(1))) * _MULTIPLIER
    return mixed ^ (mixed >> np.uint64(29))


def _short(hashes: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The hash truncated to 48 bits, so that a token fits beside it."""
    return hashes >> np.uint64(16)
