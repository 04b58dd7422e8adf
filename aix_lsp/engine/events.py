"""The events of a request, in order: its start, pieces of text, then exactly one end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Literal, TypeAlias

Reason: TypeAlias = Literal["stop", "length", "cancelled"]


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """One generated token with its log-probability (nats) and the likeliest others."""

    text: str
    logprob: float
    top: tuple[tuple[str, float], ...] = ()


@dataclass(slots=True)  # a frozen one takes three times as long to make, for each row of each step
class Piece:
    """More text of one candidate, from `tokens` tokens; `logprob` is the sum of their log-probabilities (nats).

    `reason` is set on the candidate's last piece only.
    """

    index: int
    text: str
    tokens: int
    logprob: float
    reason: Reason | None = None
    logprobs: tuple[TokenLogprob, ...] = ()


def joined(pieces: Sequence[Piece]) -> Piece:
    """Merge successive pieces of one candidate."""
    if len(pieces) == 1:
        return pieces[0]
    return Piece(
        pieces[0].index,
        "".join(piece.text for piece in pieces),
        sum(piece.tokens for piece in pieces),
        sum(piece.logprob for piece in pieces),
        pieces[-1].reason,
        tuple(chain.from_iterable(piece.logprobs for piece in pieces)),
    )


@dataclass(frozen=True, slots=True)
class Started:
    """A request has its first token. Tells what the prompt cost, for clients that do not stay until the end.

    Times are in milliseconds since submission.
    """

    prompt_tokens: int
    cached_tokens: int
    queue_ms: float
    first_token_ms: float


@dataclass(frozen=True, slots=True)
class Finished:
    """A request has ended; what it cost. Times are in milliseconds since submission."""

    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    queue_ms: float
    first_token_ms: float


@dataclass(frozen=True, slots=True)
class Failed:
    """A request has ended with an error. The message is for the user."""

    message: str


Event: TypeAlias = Started | Piece | Finished | Failed
