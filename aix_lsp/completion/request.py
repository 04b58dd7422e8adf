"""Requests and suggestions, a request's `CompletionContext`, computed once and passed along, and how long it waits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, replace
from typing import Literal

from aix_lsp.backends.base import ModelInfo
from aix_lsp.completion.cursor import CursorContext, is_multiline
from aix_lsp.completion.generation import Generation
from aix_lsp.completion.text import DocumentSnapshot, Position, after
from aix_lsp.fim.confidence import NO_THRESHOLD, ConfidenceThresholds
from aix_lsp.fim.reading import normalise
from aix_lsp.settings import Settings

Trigger = Literal["automatic", "invoked"]

_HEAD = 0.02
"""Of the suggestions that began with a lower probability, 1 in 20 had anything right (docs/quality.md)."""
_FURTHER = 0.1
"""After less likely lines, 1 of 86 second lines was right; after others, 2 of 23."""
_SMOOTHING = 0.3
_PAUSE = 1.0
"""A longer gap is a pause and says nothing about the typing rhythm."""


@dataclass(frozen=True, slots=True)
class SelectedCompletion:
    """The entry selected in the editor's popup: `text` would replace from `start` to the cursor."""

    start: Position
    text: str
    replace_right: int = 0
    """How many characters right of the cursor it would also replace."""


@dataclass(frozen=True, slots=True)
class CompletionRequest:
    """One request for suggestions at one position of one snapshot."""

    document: DocumentSnapshot
    position: Position
    trigger: Trigger = "automatic"
    channel: str = "inline"
    """Requests of one channel and document supersede each other; "inline", "popup" or "stream"."""
    candidates: int = 1
    selected: SelectedCompletion | None = None


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Text to insert at the cursor, replacing `replace_right` characters (code points) right of it.

    Line endings are the document's own.
    """

    id: str
    text: str
    replace_right: int = 0
    source: Literal["model", "reuse"] = "model"
    prompt_tokens: int = 0
    reused_tokens: int = 0
    completion_tokens: int = 0
    first_text_ms: float = 0.0
    total_ms: float = 0.0
    mean_logprob: float | None = None


@dataclass(frozen=True, slots=True)
class Update:
    """The suggestions so far, best first; each candidate's text is cumulative. `done` marks the last."""

    suggestions: tuple[Suggestion, ...]
    done: bool


class Superseded(Exception):
    """A newer request of the same channel and document has taken this one's place."""


class ContentModified(Exception):
    """The document has changed in a way that makes the answer useless."""


@dataclass(frozen=True, slots=True)
class CompletionContext:
    """Everything that is determined once per request. Positions are valid."""

    request: CompletionRequest
    settings: Settings
    document: DocumentSnapshot
    """The request's document with the selected entry of the popup inserted."""
    position: Position
    """The cursor in `document`."""
    cursor: CursorContext
    multiline: bool
    """Whether a suggestion may have several lines."""
    settings_key: Hashable
    """What must be equal, besides the position, for a generation to be reused."""
    candidates: int
    """How many candidates are wanted."""

    @property
    def request_start(self) -> Position:
        """Where in the request's own document the popup's entry would go; without one, its cursor."""
        request = self.request
        start = request.selected.start if request.selected else request.position
        return request.document.text.clamp(min(start, request.position))

    @property
    def request_position(self) -> Position:
        """The cursor in the request's own document."""
        return self.request.document.text.clamp(self.request.position)

    @property
    def confidence(self) -> ConfidenceThresholds:
        """The probabilities below which a suggestion is cut off. An invoked request is answered in full."""
        sure = self.settings.confidence
        if self.request.trigger == "invoked" or not sure:
            return NO_THRESHOLD
        further = 0.0 if self.settings.multiline == "always" else max(_FURTHER, sure)
        return ConfidenceThresholds(head=max(_HEAD, sure), whole=sure, further=further)

    @property
    def selected_text(self) -> str:
        """The selected entry of the popup; empty without one."""
        return normalise(self.request.selected.text) if self.request.selected else ""


def completion_context(
    request: CompletionRequest, settings: Settings, model: ModelInfo | None, typed: str = ""
) -> CompletionContext | None:
    """The context of a request; None if no suggestion can help: in binary data, or inside a word unless invoked.

    `typed` is what was just typed up to the cursor: a word that begins in it is a new one, which only touches the
    word right of it until the space between them is typed.
    """
    document, position = request.document, request.document.text.clamp(request.position)
    if request.selected is not None:
        start = document.text.clamp(min(request.selected.start, position))
        end = document.text.clamp(Position(position.line, position.column + request.selected.replace_right))
        document = replace(document, text=document.text.replace(start, end, request.selected.text))
        position = after(start, request.selected.text)
    cursor = CursorContext.of(document, position)
    if "\0" in cursor.before or "\0" in cursor.after:
        return None
    if cursor.in_word and request.trigger == "automatic" and len(cursor.word_before) > len(typed):
        return None
    invoked = request.trigger == "invoked"
    model_name = model.name if model else ""
    settings_key = (
        settings.max_tokens,
        settings.multiline,
        settings.temperature,
        settings.recall,
        settings.confidence,
        model_name,
    )
    return CompletionContext(
        request,
        settings,
        document,
        position,
        cursor,
        is_multiline(cursor, settings.multiline, invoked),
        settings_key,
        max(1, request.candidates) if invoked else 1,
    )


class PendingRequest:
    """The waiting side of a request. Used only on the event loop."""

    def __init__(self, request: CompletionRequest, clock: Callable[[], float], seconds: float) -> None:
        self.request = request
        self.started = clock()
        self.deadline = self.started + seconds
        self.generation: Generation | None = None
        self._clock = clock
        self._woken = asyncio.Event()
        self._superseded = False
        self._outdated = False

    @property
    def late(self) -> bool:
        """Whether the deadline has passed."""
        return self._clock() >= self.deadline

    @property
    def elapsed_ms(self) -> float:
        return (self._clock() - self.started) * 1000

    def watch(self, generation: Generation) -> None:
        """Wake up when this generation changes, instead of the previous one."""
        self.leave()
        self.generation = generation
        generation.typed_along = False
        generation.watchers.add(self._wake)

    def leave(self) -> None:
        """Stop watching."""
        if self.generation is not None:
            self.generation.watchers.discard(self._wake)

    def supersede(self) -> None:
        """End the request because a newer one has taken its place."""
        self._superseded = True
        self.leave()
        self._wake()

    def outdate(self) -> None:
        """End the request because the text typed at its position differs from what was generated for it."""
        self._outdated = True
        self._wake()

    def check(self) -> None:
        """Raise Superseded or ContentModified if this request has become useless."""
        if self._superseded:
            raise Superseded
        if self._outdated or (self.generation is not None and self.generation.diverged):
            raise ContentModified

    async def wait(self, until: float) -> None:
        """Return when woken since the last wait, or at `until` on the clock."""
        left = until - self._clock()
        if left > 0:
            try:
                async with asyncio.timeout(left):
                    await self._woken.wait()
            except TimeoutError:
                pass
        self._woken.clear()

    def _wake(self) -> None:
        self._woken.set()


@dataclass(slots=True)
class Mean:
    """An exponential moving average."""

    value: float | None = None

    def add(self, value: float) -> None:
        self.value = value if self.value is None else self.value + _SMOOTHING * (value - self.value)


@dataclass(slots=True)
class Debouncer:
    """The rhythm of typing in one document, and how long a request waits, so that fast typing costs no model calls.

    Waiting pays only if an answer would come too late anyway, because keystrokes are closer together than the time to
    first text, or if suggestions are being rejected: shown at a pause, they disturb less (an adaptive delay raised
    acceptance from 15.4 to 18.6 %, arXiv 2511.18842). A remote server may be paid or shared, so there a burst of
    keystrokes costs no calls however fast the server is. Times are in seconds.
    """

    interval: Mean = field(default_factory=Mean)
    _last: float | None = None
    _after_pause: bool = True

    def typed(self, now: float) -> None:
        """Record a keystroke."""
        gap = None if self._last is None else now - self._last
        self._last = now
        self._after_pause = gap is None or gap > _PAUSE
        if gap is not None and not self._after_pause:
            self.interval.add(gap)

    def wait(self, latency: float | None, longest: float, *, costly: bool = False) -> float:
        """How long to wait now; `latency` is the usual time to first text, `longest` the setting's cap.

        Zero at the first keystroke after a pause, and if text arrives sooner than the next keystroke, unless requests
        are `costly`: because suggestions are being rejected, or because they go to a remote server.
        """
        interval = self.interval.value
        if longest <= 0 or interval is None or self._after_pause:
            return 0.0
        if not costly and (latency is None or latency < interval):
            return 0.0
        return min(longest, 1.5 * interval)
