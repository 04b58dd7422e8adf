"""The scheduler's data types: what a step consists of, and the limits."""

from __future__ import annotations

from collections.abc import Sequence as Seq
from dataclasses import dataclass
from itertools import takewhile

from aix_lsp.engine.scheduling.cost import Work
from aix_lsp.engine.scheduling.sequence import Sequence
from aix_lsp.engine.step import Row, Sampled

BACKGROUND = 3


@dataclass(frozen=True, slots=True)
class StepLimits:
    """Limits of the scheduler: counts of sequences, tokens per step, times in seconds."""

    running: int = 16
    waiting: int = 256
    client_running: int = 16
    client_waiting: int = 64
    step_tokens: int = 1024
    smallest_chunk: int = 32
    """The first prefill in order gets at least this many tokens per step, whatever they cost; that of a client that has
    used much more than others in the step gets at most this many.
    """
    drafts: int = 8
    ageing_s: float = 3.0
    invoked_step_s: float = 0.015
    """How long a step may take while a user who requested a suggestion explicitly watches it grow."""
    decoding_step_s: float = 0.030
    shared_step_s: float = 0.020
    """How long a step of prefill alone may take if other clients were served recently, too: their next request has to
    wait for its end.
    """
    prefill_step_s: float = 0.120


@dataclass(slots=True)
class Planned:
    """One sequence's part in a step: `count` of its own tokens, then `drafts`.

    They were found by a match of `match` tokens, 0 if they are what healing removed.
    """

    sequence: Sequence
    count: int
    drafts: Seq[int] = ()
    match: int = 0

    def right(self, sampled: Seq[Sampled]) -> int:
        """How many drafts were sampled, up to the first that was not."""
        pairs = zip(self.drafts, sampled, strict=False)
        return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1].token, pairs))

    def row(self) -> Row:
        """This part as a Row for the runner."""
        sequence = self.sequence
        end = sequence.computed + self.count
        tokens = sequence.tokens[sequence.computed : end]
        if end < len(sequence.tokens):
            return Row(tokens, sequence.computed, sequence.pages, 0)
        if self.drafts:
            tokens += self.drafts
        request = sequence.request
        weight = request.recall_weight
        return Row(
            tokens,
            sequence.computed,
            sequence.pages,
            1 + len(self.drafts),
            sequence.sampling,
            sequence.output.allowed(self.drafts),
            request.banned,
            request.top_logprobs,
            sequence.recalled().mixtures(self.drafts, weight) if weight else (),
            request.ends,
            sequence.generated,
        )


@dataclass(slots=True)
class StepPlan:
    """A step to run. `foreground` is False if it consists of background work only."""

    planned: list[Planned]
    rows: list[Row]
    work: Work
    foreground: bool


@dataclass(slots=True)
class Progress:
    """What a step did for one sequence: how many tokens it gained, and whether it is complete."""

    sequence: Sequence
    tokens: int
    complete: bool
