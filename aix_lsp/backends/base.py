"""The contract between completion/ and whatever generates: our engine, vLLM, llama.cpp, any other host."""

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
"""End decoding by structure: after the first line, or when the block that the cursor is in ends."""


@dataclass(frozen=True, slots=True)
class CorpusText:
    """A text beside the prompt, and the name that an engine knows it by (docs/engine-api.md)."""

    text: str
    digest: str

    @classmethod
    def of(cls, text: str) -> CorpusText:
        """The text with its name."""
        return cls(text, hashlib.sha256(text.encode()).hexdigest()[:32])


@dataclass(frozen=True, slots=True)
class GenerateRequest:
    """One generation, of `n` candidates. Lengths are in tokens, times in milliseconds."""

    prompt: FimPrompt
    max_tokens: int = 64
    temperature: float = 0.0
    top_p: float = 1.0
    n: int = 1
    seed: int | None = None
    stop: tuple[str, ...] = ()
    stop_when: StopWhen = ""
    confidence: ConfidenceThresholds = NO_THRESHOLD
    """Where to end for want of likelihood, of backends that tell it."""
    stream_key: str = ""
    """A newer request with the same key supersedes this one in the engine; empty means never."""
    priority: Priority = Priority.TYPED
    deadline_ms: int | None = None
    heal: bool = True
    recall: float | None = None
    """How much of what followed the same words elsewhere is mixed in, 0 to 1; None leaves it to the engine."""
    corpus: tuple[CorpusText, ...] = ()
    """Where to look for it beside the prompt."""
    shown: int = 0
    accepted: int = 0
    """How many suggestions were shown to the user, and accepted, since the last request that told."""

    @property
    def document(self) -> str:
        """What all streams for one document have in common; empty where there is no stream key."""
        return ":".join(self.stream_key.split(":")[:2])


@dataclass(frozen=True, slots=True)
class Delta:
    """More text of one candidate. Its last delta has a `finish_reason`: "stop", "length" or "cancelled"."""

    text: str
    index: int = 0
    finish_reason: str | None = None
    logprob: float | None = None
    """Sum of the log-probabilities (nats) of the tokens behind `text`, where the backend tells."""
    tokens: int = 0
    """How many generated tokens make up `text`, where the backend tells."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What a generation cost; the last event of a stream, where the backend tells."""

    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    queue_ms: float = 0.0
    first_token_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What the server needs to know of the model behind a backend."""

    name: str
    family: str = ""
    """A name from fim/templates.py; empty where unknown."""
    context_length: int = 2048
    fim: bool = True
    """False where the model only continues the prefix."""
    takes_context: bool = False
    """Whether it uses context from other files."""
    recall: bool = False
    """Whether its engine uses recall by default."""
    device: str = ""
    dtype: str = ""
    running: str = ""
    """How our engine computes it and why, for people; empty for other servers."""


Trouble = Literal["throttled", "refused", "failing", "away"]
"""Why a server cannot be used: too many requests, a no that only the user can change, a fault of its own, or no
answer at all."""


@dataclass(frozen=True, slots=True)
class BackendStatus:
    """A backend's state, pushed to listeners as it changes.

    "throttled" to "away" are a remote server's troubles (health.py), "error" is any other.
    """

    state: Literal["starting", "loading", "ready", "stopped", "error"] | Trouble
    message: str = ""
    """For the user; if there is a problem, it says how to fix it."""
    fraction: float | None = None
    """Progress of loading, 0 to 1, where known."""
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
        """`trouble` is what this says of the server, None where only the request or a setting is at fault.

        `status` is the HTTP status and `body` the answer, where there were any; `retry_after_s` is how long the
        server asks to be left alone.
        """
        super().__init__(message)
        self.trouble = trouble
        self.status = status
        self.retry_after_s = retry_after_s
        self.body = body


class BackendUnavailable(BackendError):
    """Not now: still loading, restarting, or the queue is full. Asking again later is right."""


class Backend(Protocol):
    """A source of generations."""

    @property
    def status(self) -> BackendStatus: ...

    def generate(self, request: GenerateRequest) -> AsyncGenerator[Delta | Usage]:
        """Stream a generation. Closing the iterator (`aclose`) cancels it, down to the device.

        Raises BackendUnavailable before the first item where nothing can be generated now, BackendError
        where the request or the backend is at fault.
        """
        ...

    async def close(self) -> None:
        """Let go of connections; a shared engine lives on for its other clients."""
        ...
