"""A generation at one position: one or two backend streams, filtered as they arrive, that many requests can watch.

Ends its streams as soon as nothing further would be shown. Knows no documents and no requests.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, field, replace

from aix_lsp.backends.base import Backend, BackendError, Delta, GenerateRequest, Usage
from aix_lsp.completion.cursor import CursorContext
from aix_lsp.completion.postprocess import pipeline

log = logging.getLogger(__name__)

Failed = Callable[[BackendError], None]


@dataclass(slots=True)
class Track:
    """One candidate as it grows."""

    raw: str = ""
    shown: str = ""
    """The text that the filters have let through so far."""
    stopped: bool = False
    """Nothing further will be shown: the filters said so, or the model has ended."""
    finish_reason: str | None = None
    logprob: float | None = None
    tokens: int = 0

    @property
    def mean_logprob(self) -> float | None:
        """The mean log probability per token; None if the backend reports none."""
        return self.logprob / self.tokens if self.logprob is not None and self.tokens else None

    def rest(self, typed: str) -> str:
        """The shown text beyond what was typed; empty if the two disagree or there is nothing more."""
        return self.shown[len(typed) :] if self.shown.startswith(typed) else ""

    def may_continue(self, typed: str) -> bool:
        """Whether it agrees with what was typed, or may yet come to."""
        if self.stopped:
            return self.shown.startswith(typed)
        return self.raw.startswith(typed) or typed.startswith(self.raw)


@dataclass(slots=True)
class _Stream:
    """One request to the backend."""

    tracks: list[Track]
    usage: Usage = field(default_factory=Usage)
    counted: bool = False

    @property
    def completion_tokens(self) -> int:
        """Tokens generated. A stream that the filters ended early has reported no usage; its deltas are counted."""
        return max(self.usage.completion_tokens, sum(track.tokens for track in self.tracks))


class Generation:
    """The text that a model writes at one position."""

    def __init__(
        self,
        name: str,
        cursor: CursorContext,
        multiline: bool,
        clock: Callable[[], float],
        grew: Callable[[], None],
    ) -> None:
        """`clock` returns seconds; `grew` is called at each change, like the watchers."""
        self.name = name
        self.cursor = cursor
        self.multiline = multiline
        self.tracks: list[Track] = []
        self.started = clock()
        self.first_text: float | None = None
        self.ended: float | None = None
        self.error: BackendError | None = None
        self.cancelled = False
        self.diverged = False
        """Whether the document was edited in a way that makes this generation useless."""
        self.may_be_cut_short = False
        """Whether it may have been cut off because it became unlikely."""
        self.typed_along = False
        """Whether the user typed text that agrees with it since the last request began to watch."""
        self.prefetched_for: Generation | None = None
        """This one was started in case the user accepts that generation's text."""
        self.written_off = 0
        """Tokens counted as wasted so far."""
        self.answered_a_request = False
        """Whether it has answered a request."""
        self.watchers: set[Callable[[], None]] = set()
        """Callbacks of the requests that wait for this; called at each change."""
        self._clock = clock
        self._grew = grew
        self._streams: list[_Stream] = []
        self._running: dict[asyncio.Task[None], _Stream] = {}

    @property
    def finished(self) -> bool:
        """Whether nothing more will come."""
        return bool(self.tracks) and not self._running

    @property
    def complete(self) -> bool:
        """Whether it ended by itself, so that starting another would yield the same."""
        return self.finished and not self.cancelled and self.error is None

    def contradicts(self, typed: str) -> bool:
        """Whether no track can agree with what was typed since it began."""
        return not any(track.may_continue(typed) for track in self.tracks)

    def has_more(self, typed: str) -> bool:
        """Whether something is shown beyond what was typed."""
        return any(track.rest(typed).strip() for track in self.tracks)

    def exhausted(self, typed: str) -> bool:
        """Whether everything that was generated has been typed or accepted."""
        return self.finished and bool(typed) and not self.has_more(typed)

    @property
    def usage(self) -> Usage:
        """The usage that the first stream reported."""
        return self._streams[0].usage if self._streams else Usage()

    @property
    def completion_tokens(self) -> int:
        """Tokens generated, if the backend reports them."""
        return sum(stream.completion_tokens for stream in self._streams)

    def uncounted_usage(self) -> list[Usage]:
        """The usage of each stream that has ended since the last call."""
        running = self._running.values()
        due = [stream for stream in self._streams if not stream.counted and stream not in running]
        for stream in due:
            stream.counted = True
        return [replace(stream.usage, completion_tokens=stream.completion_tokens) for stream in due]

    def start(self, backend: Backend, request: GenerateRequest, failed: Failed) -> None:
        """Start a stream for `request`; its candidates are added after the existing ones."""
        stream = _Stream([Track() for _ in range(request.n)])
        self.tracks += stream.tracks
        self.may_be_cut_short = self.may_be_cut_short or bool(request.confidence)
        self._streams.append(stream)
        task = asyncio.create_task(self._run(backend, request, stream, failed))
        self._running[task] = stream
        task.add_done_callback(self._ended)

    def cancel(self) -> None:
        """Close the streams now. The shown text stays, but the generation does not count as `complete`."""
        for task in self._running:
            self.cancelled = True
            task.cancel()

    async def closed(self) -> None:
        """Wait for the streams to be closed."""
        if self._running:
            await asyncio.wait(set(self._running))

    async def _run(self, backend: Backend, request: GenerateRequest, stream: _Stream, failed: Failed) -> None:
        mine = stream.tracks
        try:
            async with aclosing(backend.generate(request)) as events:
                async for event in events:
                    self._take(event, stream)
                    writing = any(track.finish_reason is None for track in mine)
                    if writing and all(track.stopped for track in mine):
                        break  # a backend that has ended by itself still sends its usage
        except BackendError as error:
            self.error = error
            failed(error)
        except Exception as error:
            log.exception("the backend failed unexpectedly")
            self.error = BackendError(f"{type(error).__name__}: {error}")
        finally:
            for track in mine:
                self._end(track, "cancelled" if self.cancelled else "stop")

    def _take(self, event: Delta | Usage, stream: _Stream) -> None:
        if isinstance(event, Usage):
            stream.usage = event
            return
        if not 0 <= event.index < len(stream.tracks):
            return
        track = stream.tracks[event.index]
        track.tokens += event.tokens
        if event.logprob is not None:
            track.logprob = (track.logprob or 0.0) + event.logprob
        if event.finish_reason is not None:
            track.finish_reason = event.finish_reason
            self.cancelled = self.cancelled or event.finish_reason == "cancelled"
        if track.stopped:
            return
        track.raw += event.text
        before = track.shown
        track.shown, track.stopped = pipeline.apply(track.raw, self.cursor, self.multiline, done=False)
        if event.finish_reason is not None:
            self._end(track, event.finish_reason)
        if track.shown != before or track.stopped:
            self._announce()

    def _end(self, track: Track, reason: str) -> None:
        track.finish_reason = track.finish_reason or reason
        if not track.stopped:
            track.shown, stopped = pipeline.apply(track.raw, self.cursor, self.multiline, done=True)
            if reason == "length" and not stopped:
                track.shown = pipeline.whole_words(track.shown)
            track.stopped = True

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.pop(task)
        if self.finished:
            self.ended = self._clock()
        self._announce()

    def _announce(self) -> None:
        if self.first_text is None and any(track.shown for track in self.tracks):
            self.first_text = self._clock()
        self._grew()
        for watcher in list(self.watchers):
            watcher()
