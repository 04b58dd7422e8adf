"""The contract between completion/ and whatever generates text: our engine, vLLM, llama.cpp, any other server."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from enum import IntEnum
from typing import Literal, Protocol

from aix_lsp.fim.confidence import NO_THRESHOLD, ConfidenceThresholds
from aix_lsp.fim.prompt import FimPrompt


class Priority(IntEnum):
    """Scheduling class of a request; a lower number goes first."""

    INVOKED = 0
    TYPED = 1
    PREFETCH = 2
    BACKGROUND = 3


StopWhen = Literal["", "line", "block"]
"""Ends decoding by structure: after the first line, or when the cursor's block ends."""


@dataclass(frozen=True, slots=True)
class CorpusText:
    """A text for recall in addition to the prompt, and its digest, by which an engine knows it (docs/engine-api.md)."""

    text: str
    digest: str

    @classmethod
    def of(cls, text: str) -> CorpusText:
        """The text with its digest."""
        return cls(text, hashlib.sha256(text.encode()).hexdigest()[:32])


@dataclass(frozen=True, slots=True)
class GenerateRequest:
    """A request for one generation with `n` candidates. Lengths are in tokens, times in milliseconds."""

    prompt: FimPrompt
    max_tokens: int = 64
    temperature: float = 0.0
    top_p: float = 1.0
    n: int = 1
    seed: int | None = None
    stop: tuple[str, ...] = ()
    stop_when: StopWhen = ""
    confidence: ConfidenceThresholds = NO_THRESHOLD
    """Where to cut the text off as too unlikely, if the backend reports probabilities."""
    stream_key: str = ""
    """A newer request with the same key supersedes this one in the engine; empty for none."""
    priority: Priority = Priority.TYPED
    deadline_ms: int | None = None
    heal: bool = True
    recall: float | None = None
    """How strongly recall is mixed in, 0 to 1; None leaves it to the engine."""
    corpus: tuple[CorpusText, ...] = ()
    """Texts that recall searches in addition to the prompt."""
    shown: int = 0
    accepted: int = 0
    """How many suggestions were shown to the user, and accepted, since the last request that reported it."""

    @property
    def document(self) -> str:
        """The part of the stream key that all streams for one document share; empty without a stream key."""
        return ":".join(self.stream_key.split(":")[:2])


@dataclass(frozen=True, slots=True)
class Delta:
    """More text of one candidate. Its last delta has a `finish_reason`: "stop", "length" or "cancelled"."""

    text: str
    index: int = 0
    finish_reason: str | None = None
    logprob: float | None = None
    """Sum of the log-probabilities (nats) of the tokens in `text`, if the backend reports it."""
    tokens: int = 0
    """The number of generated tokens in `text`, if the backend reports it."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What a generation cost; the last event of a stream, if the backend reports it."""

    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    queue_ms: float = 0.0
    first_token_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What the language server needs to know about a backend's model."""

    name: str
    family: str = ""
    """A name from fim/templates.py; empty if unknown."""
    context_length: int = 2048
    fim: bool = True
    """False if the model can only continue the prefix."""
    takes_context: bool = False
    """Whether it uses context from other files."""
    recall: bool = False
    """Whether its engine uses recall by default."""
    device: str = ""
    dtype: str = ""
    running: str = ""
    """How our engine computes the model and why, for people; empty for other servers."""


Trouble = Literal["throttled", "refused", "failing", "away"]
"""Why a server cannot be used: it limits the rate of requests, refuses what only the user can change, has a fault, or
does not answer."""


@dataclass(frozen=True, slots=True)
class BackendStatus:
    """A backend's state; listeners are told of each change.

    "throttled" to "away" are a remote server's troubles (health.py), "error" is any other problem.
    """

    state: Literal["starting", "loading", "ready", "stopped", "error"] | Trouble
    message: str = ""
    """For the user; in case of a problem, it says how to fix it."""
    fraction: float | None = None
    """Progress of loading, 0 to 1, if known."""
    model: ModelInfo | None = None


class BackendError(Exception):
    """A generation failed. The message is for the user and says how to fix the problem."""

    def __init__(
        self,
        message: str,
        *,
        trouble: Trouble | None = None,
        status: int = 0,
        retry_after_s: float | None = None,
        body: str = "",
    ) -> None:
        """`trouble` is what the error says about the server; None if only the request or a setting is at fault.

        `status` is the HTTP status and `body` the answer, if there were any; `retry_after_s` is how long the server
        asks not to be sent requests.
        """
        super().__init__(message)
        self.trouble = trouble
        self.status = status
        self.retry_after_s = retry_after_s
        self.body = body


class BackendUnavailable(BackendError):
    """Cannot generate now: still loading, restarting, or the queue is full. The same request may succeed later."""


class Backend(Protocol):
    """Generates text."""

    @property
    def status(self) -> BackendStatus: ...

    def generate(self, request: GenerateRequest) -> AsyncGenerator[Delta | Usage]:
        """Stream a generation. Closing the iterator (`aclose`) cancels it, down to the device.

        Raises BackendUnavailable before the first item if nothing can be generated now, BackendError if the request or
        the backend is at fault.
        """
        ...

    async def close(self) -> None:
        """Close connections; a shared engine continues for its other clients."""
        ...
