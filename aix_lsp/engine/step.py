"""One forward step: the contract between the scheduler's side (pure Python) and the runner (torch).

The scheduler decides which tokens of which sequences are computed and where their KV lies; the runner
computes them and samples. Only token ids and page numbers cross, never tensors.
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
    """What to mix into the model's distribution: `(1 - share) * model + share * probabilities`, which sum up to 1.

    That is, of what goes on: a text that is recalled says nothing of where another ends, so the probabilities of
    the row's `ends` stay the model's.
    """

    share: float
    tokens: Sequence[int]
    probabilities: Sequence[float]


@dataclass(slots=True)
class Row:
    """One sequence's share of a step.

    `tokens` are computed at positions `start` … `start + len(tokens) - 1`; the KV of everything before
    `start` already lies in `pages`. Page `i` of `pages` holds positions `[i * page_size, (i + 1) * page_size)`, and
    `pages` covers `start + len(tokens)`. `outputs` is how many of the last positions are sampled from: 0 in
    mid-prefill, 1 when decoding, 1 + k when k drafted tokens stand at the end of `tokens`.
    """

    tokens: Sequence[int]
    start: int
    pages: Sequence[int]
    outputs: int = 1
    sampling: Sampling = GREEDY
    allowed: Sequence[int] | None = None
    """Token ids that the first output may be; None for any. Further outputs are unconstrained."""
    banned: Sequence[int] = ()
    """Token ids that no output may be (special tokens other than the end tokens)."""
    top_logprobs: int = 0
    mixtures: Sequence[Mixture | None] = ()
    """What to mix into each output's distribution; empty where nothing is."""
    ends: Sequence[int] = ()
    """Token ids that end the text, the model's, so the same in all rows; no mixture changes their probabilities."""
    position_key: int = 0
    """Index of the first output in its generation; with `sampling.seed` it makes sampling reproducible."""


class Sampled(NamedTuple):
    """A chosen token and its log-probability (nats) under the distribution before constraints and temperature:
    the model's, or the mixture where there is one.
    """

    token: int
    logprob: float
    top: tuple[tuple[int, float], ...] = ()
    """The most likely tokens with their log-probabilities, where asked for."""


class OutOfMemory(Exception):
    """The device had no memory for this step; a smaller one may succeed."""


class Runner(Protocol):
    """A loaded model with its KV pool. Called from one thread only."""

    page_size: int
    page_count: int
    vocab_size: int
    context_length: int

    def step(
        self, rows: Sequence[Row], abort: Callable[[], bool] = lambda: False
    ) -> list[list[Sampled]] | None:
        """Compute a step; for each row the `outputs` sampled tokens, in position order.

        `abort` is asked between layers; where it says yes the step ends early with None, and the KV of the
        step's positions is undefined (that of earlier positions is untouched). Raises OutOfMemory.
        """
        ...

    def release(self, runs: Sequence[tuple[int, int]]) -> int:
        """Give the memory of runs of pages, (first, count), back to the system; their KV is lost. Returns bytes."""
        ...

    def copy_page(self, source: int, target: int, tokens: int) -> None:
        """Copy the KV of a page's first `tokens` positions: copy-on-write of a shared, partly filled page."""
        ...
