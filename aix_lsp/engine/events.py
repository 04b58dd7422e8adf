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


@dataclass(slots=True)  # freezing takes three times as long, in each row of each step
class Piece:
    """More text of one candidate, from `tokens` tokens whose log-probabilities (nats) sum up to `logprob`.

    `reason` is set on the candidate's last piece.
    """

    index: int
    text: str
    tokens: int
    logprob: float
    reason: Reason | None = None
    logprobs: tuple[TokenLogprob, ...] = ()


def joined(pieces: Sequence[Piece]) -> Piece:
    """Pieces of one candidate, one after the other, as one."""
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
    """A request's first token is there; what its prompt cost, for a client that will not wait for the end.

    Times in milliseconds since it was submitted.
    """

    prompt_tokens: int
    cached_tokens: int
    queue_ms: float
    first_token_ms: float


@dataclass(frozen=True, slots=True)
class Finished:
    """A request's end, and what it cost. Times in milliseconds since it was submitted."""

    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    queue_ms: float
    first_token_ms: float


@dataclass(frozen=True, slots=True)
class Failed:
    """A request's end by an error. The message is for the user."""

    message: str


Event: TypeAlias = Started | Piece | Finished | Failed
