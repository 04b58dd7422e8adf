"""One candidate's tokens and how far its KV is computed, and the request that it belongs to. No policy, no text."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence as Seq
from dataclasses import dataclass, field
from enum import Enum
from itertools import count
from typing import Protocol

from aix_lsp.engine.events import Piece, Reason
from aix_lsp.engine.pages.radix import Node
from aix_lsp.engine.scheduling.ngram_index import EMPTY, NgramIndex
from aix_lsp.engine.scheduling.recall import Recall
from aix_lsp.engine.step import GREEDY, Sampled, Sampling

_numbers = count(1)


class Output(Protocol):
    """Receives a candidate's tokens, and decides by their text when it is complete."""

    @property
    def likely(self) -> Seq[int]:
        """Tokens that probably come next, if that is known of the text; otherwise empty."""
        ...

    def allowed(self, drafts: Seq[int] = ()) -> Seq[Seq[int] | None]:
        """Token ids allowed next, and after each of `drafts`; None for any. Empty if nothing is limited."""
        ...

    def push(self, sampled: Sampled) -> bool:
        """Take the next token; returns whether the candidate is complete, in which case the token may not be part of
        it."""
        ...

    def take(self) -> Piece | None:
        """The text that can be emitted since the last call, if any."""
        ...

    def close(self, reason: Reason) -> Piece:
        """End a candidate and return its last piece. `reason` applies unless it is complete."""
        ...


class State(Enum):
    NEW = "new"
    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"


@dataclass(slots=True, eq=False, repr=False)
class Sequence:
    """One candidate. `tokens` is the prompt with the generated tokens; the KV of the first `computed` is in `pages`. At
    least one token is always left to compute.
    """

    request: Request
    index: int
    tokens: list[int]
    prompt_length: int
    max_length: int
    output: Output
    sampling: Sampling = GREEDY
    computed: int = 0
    reused: int = -1
    """Prompt tokens that were cached when it first ran; -1 before."""
    state: State = State.NEW
    pages: list[int] = field(default_factory=list)
    writes_from: int = 0
    """Index in `pages` from which this sequence may write."""
    node: Node | None = None
    """The locked node of the tree where its cached tokens end."""
    served_at: float = 0.0
    """When a step last computed some of its tokens; 0 before."""
    last_token_at: float = 0.0
    first_step: bool = True
    """Whether no step has computed any of its tokens yet."""
    recall: Recall | None = None
    """Created when first needed; see `recalled`."""

    @property
    def generated(self) -> int:
        """Tokens after the prompt."""
        return len(self.tokens) - self.prompt_length

    @property
    def pending(self) -> int:
        """Tokens still to be computed; 1 when decoding."""
        return len(self.tokens) - self.computed

    def recalled(self) -> Recall:
        """Where this sequence's last tokens occur elsewhere."""
        if self.recall is None:
            request = self.request
            self.recall = Recall(request.texts or [self.tokens[: self.prompt_length]], request.corpus)
        taken = self.prompt_length + self.recall.generated
        if taken < len(self.tokens):
            self.recall.extend(self.tokens[taken:])
        return self.recall


@dataclass(slots=True, eq=False, repr=False)
class Request:
    """Sequences with a common prompt and client, which end together. Times are in seconds, of `time.monotonic`."""

    client: str = ""
    stream_key: str = ""
    namespace: str = ""
    priority: int = 1
    share: float = 1.0
    """Its client's share of the engine under load: at twice the share, half as much is charged."""
    deadline: float = math.inf
    arrival: float = field(default_factory=time.monotonic)
    sequences: list[Sequence] = field(default_factory=list)
    banned: tuple[int, ...] = ()
    ends: tuple[int, ...] = ()
    top_logprobs: int = 0
    cancelled: bool = False
    """Set from any thread; the engine's thread acts on it at its next check."""
    cancelled_at: float = 0.0
    cancelled_in: int = 0
    """How many steps had ended when it was cancelled."""
    failure: str = ""
    """If it was cancelled because it cannot be served: why, for the user. Set before `cancelled`."""
    started_at: float = 0.0
    """When its first step was planned; 0 before."""
    first_token_at: float = 0.0
    finished: bool = False
    number: int = field(default_factory=lambda: next(_numbers))
    completion_tokens: int = 0
    closed: int = 0
    """How many of its candidates have ended."""
    texts: Seq[Seq[int]] | NgramIndex = ()
    """The prompt's texts before any cuts, the one before the cursor last; empty for the prompt itself. Long ones are an
    index: making one takes milliseconds, too long for the engine's thread."""
    corpus: NgramIndex = EMPTY
    """Other texts that recall searches."""
    recall_weight: float = 0.0
    """How much recall is mixed into the model's probabilities, 0 to 1."""
    parts: tuple[tuple[str, int], ...] = ()
    """The prompt's parts in order, with their lengths in tokens; reuse is counted by part."""

    @property
    def alive(self) -> bool:
        """Whether its result is still wanted."""
        return not (self.cancelled or self.finished)

    @property
    def prompt_cost(self) -> tuple[int, int]:
        """(prompt tokens, how many of them were cached)."""
        first = self.sequences[0]
        return first.prompt_length, max(first.reused, 0)

    @property
    def waits_ms(self) -> tuple[float, float]:
        """Milliseconds from submission to the first step and to the first token; 0 if there was none."""
        began, first = (max(at - self.arrival, 0.0) * 1e3 for at in (self.started_at, self.first_token_at))
        return began, first
