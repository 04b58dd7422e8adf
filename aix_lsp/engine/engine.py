"""The engine as the rest of its process sees it: requests in, event streams out. Knows nothing of HTTP, text or torch.

One thread owns the scheduler and the runner. Other threads put requests into its inbox and set their `cancelled` flag,
which it checks when it reads the inbox, when it plans a step, between the model's layers, and before it emits an event.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
import time
from collections import Counter
from functools import partial

from aix_lsp.engine.events import Event, Failed, Finished
from aix_lsp.engine.metrics import EngineMetrics
from aix_lsp.engine.scheduling.schedule import BACKGROUND, StepLimits
from aix_lsp.engine.scheduling.sequence import Request
from aix_lsp.engine.step import Runner
from aix_lsp.engine.stepper import Signals, Stepper
from aix_lsp.engine.stream import Ended, EventOutbox, EventStream

log = logging.getLogger(__name__)

_LONGEST_WAIT_S = 0.25


class QueueFull(Exception):
    """Too many requests are waiting. The message is for the user."""


class EngineStopped(Exception):
    """The engine accepts no more requests."""


def check_room(limits: StepLimits, requests: int, of_client: int) -> None:
    """Whether one more fits beside so many requests, so many of them the same client's. Raises QueueFull."""
    if of_client >= limits.client_waiting + limits.client_running:
        raise QueueFull("this client has too many requests waiting; try again in a moment")
    if requests >= limits.waiting + limits.running:
        raise QueueFull("the engine has too many requests waiting; try again in a moment")


class Engine:
    """One model's requests. `submit` and `cancel` may be called from any event loop."""

    def __init__(
        self, runner: Runner, metrics: EngineMetrics | None = None, limits: StepLimits | None = None
    ) -> None:
        self.metrics = metrics or EngineMetrics()
        self.capacity = min(runner.context_length, (runner.page_count - 1) * runner.page_size)
        """The most tokens of one sequence, prompt and generated text together."""
        self.pool_tokens = (runner.page_count - 1) * runner.page_size
        """The most tokens of all sequences together."""
        self._limits = limits or StepLimits()
        self._signals = Signals()
        self._stepper = Stepper(runner, self._tell, self._signals, self.metrics, self._limits)
        self._inbox: queue.SimpleQueue[Request | None] = queue.SimpleQueue()
        self._outbox = EventOutbox()
        self._lock = threading.Lock()
        self._streams: dict[Request, EventStream] = {}
        self._wanted: set[Request] = set()
        self._per_client: Counter[str] = Counter()
        self._newest: dict[tuple[str, str], Request] = {}
        self._giving_back = False
        self._stopped = False
        self._abandoned = False
        self._thread = threading.Thread(target=self._run, name="engine-steps", daemon=True)

    def start(self) -> None:
        """Begin to run steps."""
        self._thread.start()

    def stop(self, timeout_s: float = 5.0) -> bool:
        """End all requests and the thread. Returns False if the thread does not end in time."""
        self.cancel_all()
        self._inbox.put(None)
        if self._thread.is_alive() and not self._abandoned:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def cancel_all(self) -> None:
        """Accept no more requests and cancel all present ones."""
        with self._lock:
            self._stopped = True
        for request in list(self._streams):
            self.cancel(request)

    @property
    def active(self) -> int:
        return len(self._streams)

    def step_in_flight(self) -> tuple[float, float]:
        """(when the step in flight began, how many seconds it has been running); zeros between steps."""
        flight = self._stepper.flight
        return (flight.began, time.monotonic() - flight.began) if flight is not None else (0.0, 0.0)

    def give_up_step(self, message: str) -> None:
        """Fail the requests of the step in flight, which makes it end before its next layer."""
        flight = self._stepper.flight
        for request in flight.requests if flight is not None else ():
            request.failure = message
            self.cancel(request)

    def abandon(self, message: str) -> None:
        """Fail all requests although the engine's thread hangs, and accept no more."""
        with self._lock:
            self._stopped = self._abandoned = True
            streams = list(self._streams.values())
            self._streams.clear()
        outbox = EventOutbox()
        for stream in streams:
            outbox.post(stream, Failed(message))
        outbox.flush()

    def submit(self, request: Request, stream_key: str = "", ended: Ended | None = None) -> EventStream:
        """Queue a request; it supersedes the same client's unfinished request with the same `stream_key`.

        `ended` is called on the event loop with the terminal event, even if nobody reads the stream. Must be called on
        the event loop that will read the stream. Raises QueueFull, EngineStopped.
        """
        stream = EventStream(partial(self.cancel, request), ended)
        with self._lock:
            if self._stopped:
                raise EngineStopped("the engine is shutting down; try again")
            newest = self._newest.get((request.client, stream_key)) if stream_key else None
            replaced = newest in self._wanted
            check_room(
                self._limits, len(self._wanted) - replaced, self._per_client[request.client] - replaced
            )
            self._streams[request] = stream
            self._wanted.add(request)
            self._per_client[request.client] += 1
            older = newest
            if newest is not None and newest.arrival > request.arrival:
                # A small prompt may overtake a large one that was submitted earlier but takes longer to lay out.
                older = request
            elif stream_key:
                request.stream_key = stream_key
                self._newest[request.client, stream_key] = request
            if request.priority < BACKGROUND:
                self._signals.foreground += 1
                self._signals.raised += 1
        if older is not None:
            self.cancel(older)
        self._inbox.put(request)
        return stream

    def cancel(self, request: Request) -> None:
        """End a request as soon as possible. Its stream still gets a terminal event."""
        with self._lock:
            if request.cancelled or request.finished:
                return
            request.cancelled_at = time.monotonic()
            request.cancelled_in = self._stepper.steps
            request.cancelled = True
            self._no_longer_wanted(request)
            self._signals.raised += 1
        self._inbox.put(request)

    def _no_longer_wanted(self, request: Request) -> None:
        """Stop counting a request against the limits: a cancelled one must not block its successors."""
        if request not in self._wanted:
            return
        self._wanted.remove(request)
        self._per_client[request.client] -= 1
        if not self._per_client[request.client]:
            del self._per_client[request.client]
        key = (request.client, request.stream_key)
        if self._newest.get(key) is request:
            del self._newest[key]

    def give_back(self) -> None:
        """Have the engine's thread give unused memory of the KV cache back, between two steps."""
        self._giving_back = True
        self._inbox.put(None)

    def read_metrics(self) -> EngineMetrics:
        """The metrics, brought up to date."""
        self.metrics.read(self._stepper.scheduler)
        return self.metrics

    # On the engine's thread

    def _run(self) -> None:
        while not (self._stopped and not self._streams):
            try:
                self._turn()
            except Exception:
                log.exception("the scheduler failed; all requests are ended and the cache is emptied")
                self._stepper.start_afresh()
        self._outbox.flush()

    def _turn(self) -> None:
        """Read the inbox and run a step; wait for requests if there is nothing to run.

        A step's events are delivered once the next step is planned: the event loop then works while the model computes,
        and does not compete with the planning for Python's lock.
        """
        with contextlib.suppress(queue.Empty):
            while True:
                self._take(self._inbox.get_nowait())
        if self._giving_back:
            self._giving_back = False
            self._stepper.give_back()
        if self._stepper.run_once(self._outbox.flush):
            return
        self._outbox.flush()
        wait = min(self._stepper.next_deadline - time.monotonic(), _LONGEST_WAIT_S)
        if self._stepper.idle:
            self._stepper.check_idle()
            wait = _LONGEST_WAIT_S
        with contextlib.suppress(queue.Empty):
            self._take(self._inbox.get(timeout=max(wait, 0.001)))

    def _take(self, request: Request | None) -> None:
        if request is None or request.finished:
            return
        if request.failure:
            self._stepper.fail([request], request.failure)
        elif request.cancelled:
            self._stepper.end(request, "cancelled")
        else:
            self._stepper.add(request)

    def _tell(self, request: Request, event: Event) -> None:
        """Called by the stepper with each event. After `abandon`, none is delivered any more."""
        if isinstance(event, Finished | Failed):
            with self._lock:
                stream = self._streams.pop(request, None)
                self._no_longer_wanted(request)
        else:
            stream = self._streams.get(request)
        if stream is not None:
            self._outbox.post(stream, event)
