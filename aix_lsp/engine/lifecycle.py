"""Requests from being taken on to their one terminal event. Knows the scheduler; nothing of steps or
threads.
"""

from __future__ import annotations

import heapq
import math
import time
from collections.abc import Callable, Iterable

from aix_lsp.engine.events import Event, Failed, Finished, Reason, Started
from aix_lsp.engine.metrics import EngineMetrics
from aix_lsp.engine.scheduling.schedule import BACKGROUND
from aix_lsp.engine.scheduling.scheduler import Scheduler
from aix_lsp.engine.scheduling.sequence import Request, Sequence, State

Tell = Callable[[Request, Event], None]


class Lifecycle:
    """The requests that have not ended. `tell` is given each event; times are of `time.monotonic`, in
    seconds.
    """

    def __init__(self, scheduler: Scheduler, tell: Tell, metrics: EngineMetrics) -> None:
        self.scheduler = scheduler
        self.foreground_met = 0
        """How many requests above background were ever seen here."""
        self.steps = 0
        """How many steps have ended."""
        self._tell = tell
        self._metrics = metrics
        self._live: set[Request] = set()
        self._deadlines: list[tuple[float, int, Request]] = []

    def add(self, request: Request) -> None:
        """Take a request on."""
        self.foreground_met += request.priority < BACKGROUND
        self._live.add(request)
        if request.deadline != math.inf:
            heapq.heappush(self._deadlines, (request.deadline, request.number, request))
        self.scheduler.submit(request)

    def started(self, request: Request, now: float) -> None:
        """Note that a request's first token came at `now`, and tell what its prompt cost."""
        request.first_token_at = now
        first = request.sequences[0]
        self._tell(
            request,
            Started(
                first.prompt_length,
                max(first.reused, 0),
                _milliseconds(request.arrival, request.started_at),
                _milliseconds(request.arrival, now),
            ),
        )

    def end(self, request: Request, reason: Reason) -> None:
        """End a request that is not wanted any longer, or may not run any longer; what it computed stays
        cached.
        """
        if request.finished:
            return
        if request not in self._live:
            self.foreground_met += request.priority < BACKGROUND
        unfinished = [s for s in request.sequences if s.state is not State.DONE]
        self.scheduler.remove(request)
        if reason == "cancelled":
            self._metrics.wasted_tokens.add(request.completion_tokens)
            if request.cancelled_at:
                self._metrics.cancel_to_free_seconds.observe(time.monotonic() - request.cancelled_at)
                self._metrics.cancel_to_free_steps.observe(self.steps - request.cancelled_in)
        for sequence in unfinished:
            self._tell(request, sequence.output.close(reason))
        self._finish(request, reason)

    def progressed(self, sequence: Sequence, complete: bool) -> None:
        """Tell what a candidate has brought; its request ends with its last candidate."""
        request = sequence.request
        piece = sequence.output.close("length") if complete else sequence.output.take()
        if piece is not None:
            self._tell(request, piece)
        request.closed += complete
        if request.closed == len(request.sequences):
            self._finish(request, "complete")

    def fail(self, requests: Iterable[Request], message: str) -> None:
        """End requests with an error."""
        for request in requests:
            if not request.finished:
                self.scheduler.remove(request)
                self._close(request, "failed", Failed(message))

    def start_afresh(self, scheduler: Scheduler, message: str) -> None:
        """End all requests with an error and go on with another scheduler: this one cannot be trusted any
        more.
        """
        live, self.scheduler = list(self._live), scheduler
        for request in live:
            for sequence in request.sequences:
                sequence.state = State.DONE
        self.fail(live, message)

    def _finish(self, request: Request, end: str) -> None:
        first = request.sequences[0]
        finished = Finished(
            first.prompt_length,
            max(first.reused, 0),
            request.completion_tokens,
            _milliseconds(request.arrival, request.started_at),
            _milliseconds(request.arrival, request.first_token_at),
        )
        self._close(request, end, finished)

    def _close(self, request: Request, end: str, event: Event) -> None:
        request.finished = True
        self._live.discard(request)
        self._metrics.requests.add(1, end)
        self._tell(request, event)

    @property
    def next_deadline(self) -> float:
        """When the next request has to end; infinite where none has to."""
        while self._deadlines and self._deadlines[0][2].finished:
            heapq.heappop(self._deadlines)
        return self._deadlines[0][0] if self._deadlines else math.inf

    def expire(self, now: float) -> None:
        """End what is past its deadline, with what it has."""
        while self.next_deadline <= now:
            self.end(heapq.heappop(self._deadlines)[2], "length")


def _milliseconds(start: float, end: float) -> float:
    return max(end - start, 0.0) * 1e3 if end else 0.0
