"""The hyperparameters of a training run, and their schedules over the tokens seen. Does not import torch."""

from __future__ import annotations

from dataclasses import dataclass, field

from aix_lsp.training.spans import MIDLINE


@dataclass(frozen=True, slots=True)
class Phase:
    """The length of rows from `since`, a share of all tokens, on."""

    since: float
    length: int


@dataclass(frozen=True, slots=True)
class Emphasis:
    """How much of the learning is about filling in. A middle is only a thirtieth of the text, and its end is a single
    token, which decides when a suggestion stops.
    """

    middle: float = 3.0
    """The weight of a middle's tokens in the loss; others weigh 1."""
    end: float = 5.0
    short: float = 0.0
    """Share of the samples with a middle that are kept short, so that more of them fit into a row."""
    midline: float = MIDLINE
    """Share of the middles that end within a line, as only the suffix can tell."""
    plain: float = 0.13
    """Share of the samples without a middle."""


FILLING_IN = Emphasis()


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a model is trained: everything that decides the result except documents, tokenizer and shape."""

    tokens: int
    """Tokens to see in all."""
    rank: int = 0
    """Rank of the matrix changes to learn instead of the matrices; 0 to learn the matrices."""
    batch: int = 16_384
    """Tokens per step, of all workers together."""
    micro_batch: int = 4_096
    """Tokens per forward and backward pass."""
    matrix_rate: float = 0.02
    """Muon's learning rate for the layers' matrices; 0 leaves them to AdamW at `other_rate`."""
    other_rate: float = 3e-3
    frozen_layers: int = 0
    """The number of lowest layers that keep their initial weights."""
    warmup: int = 1_000_000
    """Tokens over which the learning rates rise to their maximum."""
    flat_until: float = 0.6
    """Share of the tokens after which the rates fall linearly to `last_rate`."""
    last_rate: float = 0.02
    phases: tuple[Phase, ...] = (Phase(0.0, 512), Phase(0.72, 1024), Phase(0.93, 2048))
    shares: dict[str, float] = field(default_factory=dict)
    """How often text of a language is used per epoch, if not once."""
    emphasis: Emphasis = FILLING_IN
    seed: int = 0
    compiled: bool = True
    """Whether torch.compile is worth its minute or two."""
    fall_length: int = 1024
    """The length of rows while the rates fall because the run was asked to finish."""
    score_every: int = 2_000_000
    """Tokens between scores on held-out documents."""
    average: float = 0.995
    """Decay per step of the running average of the weights, which is what is exported."""

    def rate(self, tokens: int) -> float:
        """The factor on both learning rates after `tokens` tokens."""
        flat_end = self.flat_until * self.tokens
        if tokens < self.warmup:
            return max(tokens, self.batch) / self.warmup
        if tokens <= flat_end:
            return 1.0
        left = max(0.0, (self.tokens - tokens) / (self.tokens - flat_end))
        return self.last_rate + (1.0 - self.last_rate) * left

    def length(self, tokens: int) -> int:
        """The length of rows after `tokens` tokens."""
        return [p.length for p in self.phases if tokens >= p.since * self.tokens][-1]
