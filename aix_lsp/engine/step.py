"""One forward step: the contract between the scheduling (pure Python) and the runner (torch).

The scheduler decides which tokens of which sequences are computed and where their KV is stored; the runner computes
them and samples. Only token ids and page numbers cross this boundary, never tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol


@dataclass(frozen=True, slots=True)
class Sampling:
    """How to choose a token from a distribution. Temperature 0 is greedy."""

    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    seed: int = 0


GREEDY = Sampling()


class Mixture(NamedTuple):
    """What to mix into the model's distribution: `(1 - share) * model + share * probabilities`; these sum up to 1.

    End tokens are left out: recalled text does not say where another text ends, so the probabilities of the row's
    `ends` stay the model's.
    """

    share: float
    tokens: Sequence[int]
    probabilities: Sequence[float]


@dataclass(slots=True)
class Row:
    """One sequence's part in a step.

    `tokens` are computed at positions `start` … `start + len(tokens) - 1`; the KV of everything before `start` is
    already in `pages`. Page `i` of `pages` holds positions `[i * page_size, (i + 1) * page_size)`, and `pages` covers
    `start + len(tokens)`. `outputs` is the number of last positions to sample from: 0 in mid-prefill, 1 when decoding,
    1 + k when `tokens` ends with k drafted tokens.
    """

    tokens: Sequence[int]
    start: int
    pages: Sequence[int]
    outputs: int = 1
    sampling: Sampling = GREEDY
    allowed: Sequence[Sequence[int] | None] = ()
    """Token ids allowed for each output, None for any; empty for no limits."""
    banned: Sequence[int] = ()
    """Token ids that no output may be: special tokens other than the end tokens."""
    top_logprobs: int = 0
    mixtures: Sequence[Mixture | None] = ()
    """What to mix into each output's distribution; empty for nothing."""
    ends: Sequence[int] = ()
    """The model's token ids that end a text, the same in all rows; mixtures do not change their probabilities."""
    position_key: int = 0
    """Index of the first output within its generation; with `sampling.seed`, it makes sampling reproducible."""


class Sampled(NamedTuple):
    """A chosen token and its log-probability (nats) under the distribution before constraints and temperature: that of
    the model, or of the mixture if there is one.
    """

    token: int
    logprob: float
    top: tuple[tuple[int, float], ...] = ()
    """The most likely tokens with their log-probabilities (nats), if requested."""


class OutOfMemory(Exception):
    """The device has too little memory for this step; a smaller one may succeed."""


class Runner(Protocol):
    """A loaded model with its KV pool. Called from one thread only."""

    page_size: int
    page_count: int
    vocab_size: int
    context_length: int

    def step(
        self, rows: Sequence[Row], abort: Callable[[], bool] = lambda: False
    ) -> list[list[Sampled]] | None:
        """Compute a step; returns the `outputs` sampled tokens of each row, in position order.

        `abort` is called between layers; if it returns True, the step ends early with None, and the KV of its positions
        is undefined (that of earlier positions is untouched). Raises OutOfMemory.
        """
        ...

    def release(self, runs: Sequence[tuple[int, int]]) -> int:
        """Return the memory of runs of pages, (first, count), to the system; their KV is lost. Returns bytes freed."""
        ...

    def copy_page(self, source: int, target: int, tokens: int) -> None:
        """Copy the KV of a page's first `tokens` positions, for copy-on-write of a shared, partly filled page."""
        ...
