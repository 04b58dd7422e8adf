"""Runs step after step (plan, forward pass, events, recovery); every request gets exactly one terminal event.

Called from one thread only; starts none.
"""

from __future__ import annotations

import heapq
import logging
import math
import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

from aix_lsp.engine.events import Event, Failed, Finished, Reason, Started
from aix_lsp.engine.metrics import EngineMetrics
from aix_lsp.engine.scheduling.kv_cache import KvCache
from aix_lsp.engine.scheduling.schedule import BACKGROUND, Progress, StepLimits, StepPlan
from aix_lsp.engine.scheduling.scheduler import Scheduler
from aix_lsp.engine.scheduling.sequence import Request, Sequence, State
from aix_lsp.engine.step import OutOfMemory, Runner, Sampled

log = logging.getLogger(__name__)

Tell = Callable[[Request, Event], None]

_GROW_BACK_AFTER = 200
_CHECK_EVERY_S = 60.0


class Signals:
    """Counters that other threads raise for the step in flight to look at."""

    def __init__(self) -> None:
        self.raised = 0
        """Counts events that may be a reason to end a step early."""
        self.foreground = 0
        """Counts submitted requests above the background class."""


class Flight(NamedTuple):
    """A step in flight: when it began (seconds, `time.monotonic`), and its requests."""

    began: float
    requests: list[Request]


class Stepper:
    """Runs steps on one runner. `tell` is called with each event; times are in seconds, of `time.monotonic`."""

    def __init__(
        self,
        runner: Runner,
        tell: Tell,
        signals: Signals,
        metrics: EngineMetrics,
        limits: StepLimits | None = None,
    ) -> None:
        self._runner = runner
        self._signals = signals
        self._metrics = metrics
        self._limits = limits or StepLimits()
        self._tell = tell
        self.scheduler = self._new_scheduler()
        self.steps = 0
        """The number of steps that have ended."""
        self.flight: Flight | None = None
        self._short_of_memory = False
        self._good_steps = 0
        self._next_check = 0.0
        self._foreground_met = 0
        """The number of requests above background seen so far."""
        self._live: set[Request] = set()
        self._deadlines: list[tuple[float, int, Request]] = []

    def _new_scheduler(self) -> Scheduler:
        runner = self._runner
        return Scheduler(KvCache(runner.page_count, runner.page_size, runner.copy_page), self._limits)

    def run_once(self, planned_next: Callable[[], None] = lambda: None) -> bool:
        """Run one step; False if there is nothing to run. `planned_next` is called before the forward pass."""
        now = time.monotonic()
        self._expire(now)
        plan = self.scheduler.plan(now)
        if plan is None:
            self._check_progress()
            return False
        planned = time.monotonic()
        planned_next()
        results = self._forward(plan, planned)
        done = time.monotonic()
        if results is not None:
            self._take_in(plan, results, done - planned, done)
            self._metrics.schedule_seconds.observe(planned - now + time.monotonic() - done)
        return True

    def start_afresh(self) -> None:
        """End all requests with an error and drop the cache: the scheduler's state can no longer be trusted."""
        live, self.scheduler = list(self._live), self._new_scheduler()
        for request in live:
            for sequence in request.sequences:
                sequence.state = State.DONE
        self.fail(live, "the engine failed and was reset; try again")

    def _forward(self, plan: StepPlan, now: float) -> list[list[Sampled]] | None:
        requests = _requests(plan)
        self.flight = Flight(now, requests)
        try:
            results = self._runner.step(plan.rows, self._abort_check(plan, requests))
        except OutOfMemory as error:
            self._shrink(plan, error)
            return None
        except Exception:
            log.exception("a step failed; its requests are ended, and the engine continues")
            self._metrics.failed_steps.labels("error").inc()
            self.fail(requests, "the model failed on this request; see the engine's log")
            return None
        finally:
            self.flight = None
            self.steps += 1
        if results is None:
            self._metrics.aborted_steps.inc()
        return results

    def _abort_check(self, plan: StepPlan, requests: list[Request]) -> Callable[[], bool]:
        """A function that tells whether to abort: none of the requests is wanted any more, or more urgent ones wait."""
        signals = self._signals
        seen = signals.raised
        stale = not any(request.alive for request in requests)

        def abort() -> bool:
            nonlocal seen, stale
            if signals.raised != seen:
                seen = signals.raised
                stale = stale or not any(request.alive for request in requests)
                stale = stale or (not plan.foreground and signals.foreground != self._foreground_met)
            return stale

        return abort

    def _shrink(self, plan: StepPlan, error: OutOfMemory) -> None:
        """Try once with smaller steps, then fail only this step's requests."""
        self._metrics.failed_steps.labels("memory").inc()
        self._good_steps = 0
        if self._short_of_memory:
            self._short_of_memory = False
            log.error("out of memory even in a small step: %s", error)
            self.fail(
                _requests(plan),
                "not enough memory for this request; lower kvMemoryMb or prefixLines, or use a smaller model",
            )
            return
        self._short_of_memory = True
        self.scheduler.step_tokens = max(plan.work.tokens // 2, 1)
        log.warning("out of memory; steps have at most %d tokens now", self.scheduler.step_tokens)

    def _grow_back(self) -> None:
        self._short_of_memory = False
        if self.scheduler.step_tokens < self._limits.step_tokens:
            self._good_steps += 1
            if self._good_steps >= _GROW_BACK_AFTER:
                self._good_steps = 0
                self.scheduler.step_tokens = min(2 * self.scheduler.step_tokens, self._limits.step_tokens)

    def _check_progress(self) -> None:
        """If nothing can run: fine as long as nothing waits."""
        sequences = self.scheduler.sequences
        if sequences.waiting and not sequences.running:
            request = sequences.waiting[0].request
            self.fail([request], "this prompt does not fit the KV pool; raise kvMemoryMb")

    def _take_in(self, plan: StepPlan, results: list[list[Sampled]], seconds: float, now: float) -> None:
        metrics, generated = self._metrics, 0
        self._grow_back()
        for part, sampled in zip(plan.planned, results, strict=True):
            sequence = part.sequence
            if sampled and sequence.request.cancelled:
                metrics.tokens_after_cancel.inc(1 + part.right(sampled))
            if sequence.first_step:
                sequence.first_step = False
                metrics.prompt(sequence.request.parts, sequence.reused)
                if sequence.index == 0:
                    metrics.queue_seconds.observe(now - seconds - sequence.request.arrival)
        for progress in self.scheduler.complete(plan, results, seconds, now):
            generated += progress.tokens
            self._note_tokens(progress, now)
            self._progressed(progress.sequence, progress.complete)
        metrics.generated_tokens.inc(generated)
        metrics.step_seconds.observe(seconds)
        metrics.step_rows.observe(plan.work.rows)
        metrics.step_tokens.observe(plan.work.tokens)

    def _note_tokens(self, progress: Progress, now: float) -> None:
        sequence = progress.sequence
        request = sequence.request
        request.completion_tokens += progress.tokens
        if not request.first_token_at:
            request.first_token_at = now
            self._metrics.time_to_first_token_seconds.observe(now - request.arrival)
            self._tell(request, Started(*request.prompt_cost, *request.waits_ms))
        if sequence.last_token_at:
            self._metrics.inter_token_seconds.observe((now - sequence.last_token_at) / progress.tokens)
        sequence.last_token_at = now

    @property
    def idle(self) -> bool:
        return self.scheduler.idle

    def check_idle(self) -> None:
        """Assert, when idle, that no page is held; and from time to time, that none is lost."""
        assert self.scheduler.cache.pool.held == 0, "pages are held though nothing runs"
        now = time.monotonic()
        if now >= self._next_check:
            self._next_check = now + _CHECK_EVERY_S
            self.scheduler.check_integrity()

    def give_back(self) -> None:
        """Drop unused cached tokens and return the memory of all free pages to the system."""
        cache = self.scheduler.cache
        cache.tree.clear()
        freed = self._runner.release(cache.pool.free_runs())
        self._metrics.released_bytes.inc(freed)
        log.info("returned %d MiB of the KV cache to the system", freed >> 20)

    # Requests, from their arrival to their terminal event

    def add(self, request: Request) -> None:
        """Accept a request."""
        self._foreground_met += request.priority < BACKGROUND
        self._live.add(request)
        if request.deadline != math.inf:
            heapq.heappush(self._deadlines, (request.deadline, request.number, request))
        self.scheduler.submit(request)

    def end(self, request: Request, reason: Reason) -> None:
        """End a request that is no longer wanted or allowed; what it computed stays cached."""
        if request.finished:
            return
        if request not in self._live:
            self._foreground_met += request.priority < BACKGROUND
        unfinished = [s for s in request.sequences if s.state is not State.DONE]
        self.scheduler.remove(request)
        if reason == "cancelled":
            self._metrics.wasted_tokens.inc(request.completion_tokens)
            if request.cancelled_at:
                self._metrics.cancel_to_free_seconds.observe(time.monotonic() - request.cancelled_at)
                self._metrics.cancel_to_free_steps.observe(self.steps - request.cancelled_in)
        for sequence in unfinished:
            self._tell(request, sequence.output.close(reason))
        self._finish(request, reason)

    def _progressed(self, sequence: Sequence, complete: bool) -> None:
        """Emit a candidate's new text; its request ends with its last candidate."""
        request, output = sequence.request, sequence.output
        if (piece := output.close("length") if complete else output.take()) is not None:
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

    def _finish(self, request: Request, end: str) -> None:
        finished = Finished(*request.prompt_cost, request.completion_tokens, *request.waits_ms)
        self._close(request, end, finished)

    def _close(self, request: Request, end: str, event: Event) -> None:
        request.finished = True
        self._live.discard(request)
        self._metrics.requests.labels(end).inc()
        self._tell(request, event)

    @property
    def next_deadline(self) -> float:
        """When the next request must end; infinity if none must."""
        while self._deadlines and self._deadlines[0][2].finished:
            heapq.heappop(self._deadlines)
        return self._deadlines[0][0] if self._deadlines else math.inf

    def _expire(self, now: float) -> None:
        """End requests past their deadline, with the text so far."""
        while self.next_deadline <= now:
            self.end(heapq.heappop(self._deadlines)[2], "length")


def _requests(plan: StepPlan) -> list[Request]:
    return list({part.sequence.request: None for part in plan.planned})
