"""Runs one step after another: plan, forward, tell, recover. Called from one thread; knows no threads itself.

A request that was added gets pieces of text and then exactly one terminal event, whatever happens to its
steps.
"""

from __future__ import annotations

import heapq
import logging
import math
import time
from collections.abc import Callable, Iterable

from aix_lsp.engine.cache import KvCache
from aix_lsp.engine.events import Event, Failed, Finished, Reason
from aix_lsp.engine.metrics import EngineMetrics
from aix_lsp.engine.schedule import BACKGROUND, Limits, Plan, Progress
from aix_lsp.engine.scheduler import Scheduler
from aix_lsp.engine.sequence import Request, Sequence, State
from aix_lsp.engine.step import OutOfMemory, Runner, Sampled

log = logging.getLogger(__name__)

_GROW_BACK_AFTER = 200
_CHECK_EVERY_S = 60.0

Tell = Callable[[Request, Event], None]


class Signals:
    """What other threads raise for a step in flight to look at."""

    def __init__(self) -> None:
        self.raised = 0
        """Counts whatever may be a reason to end a step early."""
        self.foreground = 0
        """Counts requests of a class above background that were submitted."""


class Stepper:
    """Steps over one runner. `tell` is given each event; times are of `time.monotonic`, in seconds."""

    def __init__(
        self,
        runner: Runner,
        tell: Tell,
        signals: Signals,
        metrics: EngineMetrics,
        limits: Limits | None = None,
    ) -> None:
        self._runner = runner
        self._tell = tell
        self._signals = signals
        self._metrics = metrics
        self._limits = limits or Limits()
        self.scheduler = self._new_scheduler()
        self.step_started: float | None = None
        """When the step in flight began; None between steps."""
        self._live: set[Request] = set()
        self._deadlines: list[tuple[float, int, Request]] = []
        self._short_of_memory = False
        self._good_steps = 0
        self._next_check = 0.0
        self._foreground = 0
        """How many of `signals.foreground` are known here."""

    def _new_scheduler(self) -> Scheduler:
        runner = self._runner
        return Scheduler(KvCache(runner.page_count, runner.page_size, runner.copy_page), self._limits)

    # Requests

    def add(self, request: Request) -> None:
        """Take a request on."""
        self._meet(request)
        self._live.add(request)
        if request.deadline != math.inf:
            heapq.heappush(self._deadlines, (request.deadline, request.number, request))
        self.scheduler.submit(request)

    def end(self, request: Request, reason: Reason) -> None:
        """End a request that is not wanted any longer, or may not run any longer; what it computed stays
        cached.
        """
        if request.finished:
            return
        if request.sequences[0].state is State.NEW:
            self._meet(request)
        unfinished = [s for s in request.sequences if s.state is not State.DONE]
        self.scheduler.remove(request)
        if reason == "cancelled":
            self._metrics.wasted.inc(request.completion_tokens)
            if request.cancelled_at:
                self._metrics.cancel_to_free.observe(time.monotonic() - request.cancelled_at)
        for sequence in unfinished:
            self._tell(request, sequence.output.close(reason))
        self._finish(request, reason)

    def _meet(self, request: Request) -> None:
        if request.priority < BACKGROUND:
            self._foreground += 1

    def fail(self, requests: Iterable[Request], message: str) -> None:
        """End requests with an error."""
        for request in requests:
            if not request.finished:
                self.scheduler.remove(request)
                request.finished = True
                self._live.discard(request)
                self._metrics.requests.labels("failed").inc()
                self._tell(request, Failed(message))

    def fail_all(self, message: str) -> None:
        """End all requests with an error and forget what was cached: nothing may be trusted any more."""
        live, self._live = list(self._live), set()
        self.scheduler = self._new_scheduler()
        for request in live:
            for sequence in request.sequences:
                sequence.state = State.DONE
        self.fail(live, message)

    def _finish(self, request: Request, end: str) -> None:
        request.finished = True
        self._live.discard(request)
        self._metrics.requests.labels(end).inc()
        first = request.sequences[0]
        self._tell(
            request,
            Finished(
                first.prompt_length,
                max(first.reused, 0),
                request.completion_tokens,
                _milliseconds(request.arrival, request.started_at),
                _milliseconds(request.arrival, request.first_token_at),
            ),
        )

    @property
    def next_deadline(self) -> float:
        """When the next request has to end; infinite where none has to."""
        while self._deadlines and self._deadlines[0][2].finished:
            heapq.heappop(self._deadlines)
        return self._deadlines[0][0] if self._deadlines else math.inf

    # Steps

    def run_once(self) -> bool:
        """Run one step. False where there is nothing to run."""
        now = time.monotonic()
        while self.next_deadline <= now:
            self.end(heapq.heappop(self._deadlines)[2], "length")
        plan = self.scheduler.plan(now)
        if plan is None:
            self._check_progress()
            return False
        planned = time.monotonic()
        results = self._forward(plan, planned)
        done = time.monotonic()
        if results is not None:
            self._take_in(plan, results, done - planned, done)
            self._metrics.schedule.observe(planned - now + time.monotonic() - done)
        return True

    def _forward(self, plan: Plan, now: float) -> list[list[Sampled]] | None:
        self.step_started = now
        try:
            results = self._runner.step(plan.rows, self._abort_check(plan))
        except OutOfMemory as error:
            self._shrink(plan, error)
            return None
        except Exception:
            log.exception("a step failed; its requests are ended and the engine goes on")
            self._metrics.failed_steps.labels("error").inc()
            self.fail(_requests(plan), "the model failed on this request; the engine's log tells why")
            return None
        finally:
            self.step_started = None
        if results is None:
            self._metrics.aborted_steps.inc()
        return results

    def _abort_check(self, plan: Plan) -> Callable[[], bool]:
        """Whether nobody wants the step any more, or somebody wants another one first."""
        signals = self._signals
        seen = signals.raised
        stale = not any(request.alive for request in _requests(plan))

        def abort() -> bool:
            nonlocal seen, stale
            if signals.raised != seen:
                seen = signals.raised
                stale = stale or not any(request.alive for request in _requests(plan))
                stale = stale or (not plan.foreground and signals.foreground != self._foreground)
            return stale

        return abort

    def _shrink(self, plan: Plan, error: OutOfMemory) -> None:
        """Try once with smaller steps, then give up on this step's requests only."""
        self._metrics.failed_steps.labels("memory").inc()
        self._good_steps = 0
        if self._short_of_memory:
            self._short_of_memory = False
            log.error("out of memory in a small step, too: %s", error)
            self.fail(
                _requests(plan),
                "not enough memory for this request; lower kvMemoryMb or prefixLines, or choose another one",
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
        """Nothing can run: fine where nothing waits, or where a client has to pause."""
        sequences = self.scheduler.sequences
        if sequences.waiting and not sequences.running and not self._limits.client_rate:
            self.fail(
                [sequences.waiting[0].request], "this prompt does not fit the KV pool; raise kvMemoryMb"
            )

    def _take_in(self, plan: Plan, results: list[list[Sampled]], seconds: float, now: float) -> None:
        metrics = self._metrics
        self._grow_back()
        for part, sampled in zip(plan.planned, results, strict=True):
            sequence = part.sequence
            if sequence.request.cancelled and sampled:
                metrics.late.inc(len(sampled))
            if sequence.first_step:
                sequence.first_step = False
                self._note_prompt(sequence, now - seconds)
        for progress in self.scheduler.complete(plan, results, seconds, now):
            self._report(progress, now)
        metrics.step.observe(seconds)
        metrics.rows.observe(plan.work.rows)
        metrics.step_tokens.observe(plan.work.tokens)

    def _note_prompt(self, sequence: Sequence, now: float) -> None:
        request = sequence.request
        self._metrics.prompt(request.parts, sequence.reused)
        if sequence.index == 0:
            self._metrics.queue.observe(now - request.arrival)

    def _report(self, progress: Progress, now: float) -> None:
        sequence = progress.sequence
        request = sequence.request
        request.completion_tokens += progress.tokens
        self._metrics.generated.inc(progress.tokens)
        if not request.first_token_at:
            request.first_token_at = now
            self._metrics.first_token.observe(now - request.arrival)
        if sequence.last_token_at:
            self._metrics.inter_token.observe((now - sequence.last_token_at) / progress.tokens)
        sequence.last_token_at = now
        piece = sequence.output.close("length") if progress.complete else sequence.output.take()
        if piece is not None:
            self._tell(request, piece)
        request.closed += progress.complete
        if request.closed == len(request.sequences):
            self._finish(request, "complete")

    # Looking on

    @property
    def idle(self) -> bool:
        """Whether there is nothing to do."""
        return self.scheduler.idle

    def check_idle(self) -> None:
        """Assert, when idle, that nothing is held; and now and then that no page is lost."""
        cache = self.scheduler.cache
        assert cache.pool.held == 0, "pages are held though nothing runs"
        now = time.monotonic()
        if now >= self._next_check:
            self._next_check = now + _CHECK_EVERY_S
            self.scheduler.check_integrity()

    def publish(self) -> None:
        """Bring gauges and foreign counters up to date; safe from any thread, figures may be a step apart."""
        metrics, scheduler = self._metrics, self.scheduler
        pool = scheduler.cache.pool
        for state, count in (("free", pool.free), ("cached", pool.cached), ("held", pool.held)):
            metrics.pages.labels(state).set(count)
        metrics.running.set(len(scheduler.sequences.running))
        metrics.waiting.set(len(scheduler.sequences.waiting))
        metrics.cost_error.set(scheduler.cost.error)
        metrics.totals(
            evictions=scheduler.cache.tree.evicted_pages,
            preemptions=scheduler.sequences.preemptions,
            drafts_proposed=scheduler.drafter.proposed,
            drafts_accepted=scheduler.drafter.accepted,
        )


def _requests(plan: Plan) -> list[Request]:
    return list({part.sequence.request: None for part in plan.planned})


def _milliseconds(start: float, end: float) -> float:
    return max(end - start, 0.0) * 1e3 if end else 0.0
