"""The scheduler's plain data: what a step consists of, and its limits."""

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
    """Bounds of the scheduler. Counts of sequences, tokens a step, times in seconds."""

    running: int = 16
    waiting: int = 256
    client_running: int = 16
    client_waiting: int = 64
    client_rate: float = 0.0
    """Tokens a second that one client may have computed on average; 0 for any number."""
    step_tokens: int = 1024
    smallest_chunk: int = 32
    """A prefill that is first in order gets at least this many tokens a step, whatever they cost; one of a client who
    has had much more than others in the step gets at most as many.
    """
    drafts: int = 8
    ageing_s: float = 3.0
    invoked_step_s: float = 0.015
    """How long a step may take while somebody who asked by hand watches his suggestion grow."""
    decoding_step_s: float = 0.030
    shared_step_s: float = 0.020
    """How long a step of prefill alone may take if other clients were served lately, too: the next of them waits for
    its end.
    """
    prefill_step_s: float = 0.120


@dataclass(slots=True)
class Planned:
    """One sequence's part in a step: `count` of its own tokens, then `drafts`, found by a match of `match`
    tokens.
    """

    sequence: Sequence
    count: int
    drafts: Seq[int] = ()
    match: int = 0

    def right(self, sampled: Seq[Sampled]) -> int:
        """How many of the drafts are what was sampled, up to the first that is not."""
        pairs = zip(self.drafts, sampled, strict=False)
        return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1].token, pairs))

    def row(self) -> Row:
        """This part as the runner wants it."""
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
            sequence.output.allowed,
            request.banned,
            request.top_logprobs,
            sequence.recalled().mixtures(self.drafts, weight) if weight else (),
            request.ends,
            sequence.generated,
        )


@dataclass(slots=True)
class StepPlan:
    """A step to run. `foreground` is false where only background work is in it."""

    planned: list[Planned]
    rows: list[Row]
    work: Work
    foreground: bool


@dataclass(slots=True)
class Progress:
    """What a step did for one sequence: how many tokens it got, and whether it is complete."""

    sequence: Sequence
    tokens: int
    complete: bool


class Spent:
    """A step's work as it is put together."""

    __slots__ = ("attended", "rows", "tokens")

    def __init__(self) -> None:
        self.rows = 0
        self.tokens = 0
        self.attended = 0

    def add(self, tokens: int, context: int) -> None:
        """One more row, whose tokens look at about `context` others each."""
        self.rows += 1
        self.tokens += tokens
        self.attended += tokens * context

    @property
    def work(self) -> Work:
        """The sum so far."""
        return Work(self.rows, self.tokens, self.attended)
