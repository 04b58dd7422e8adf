"""Runs one step after another: plan, forward, tell, recover. Called from one thread; knows no threads itself.

A request that was added gets pieces of text and then exactly one terminal event, whatever happens to its
steps.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import NamedTuple

from aix_lsp.engine.lifecycle import Lifecycle, Tell
from aix_lsp.engine.metrics import EngineMetrics
from aix_lsp.engine.pages.cache import KvCache
from aix_lsp.engine.scheduling.schedule import Limits, Plan, Progress
from aix_lsp.engine.scheduling.scheduler import Scheduler
from aix_lsp.engine.scheduling.sequence import Request, Sequence
from aix_lsp.engine.step import OutOfMemory, Runner, Sampled

log = logging.getLogger(__name__)

_GROW_BACK_AFTER = 200
_CHECK_EVERY_S = 60.0


class Signals:
    """What other threads raise for a step in flight to look at."""

    def __init__(self) -> None:
        self.raised = 0
        """Counts whatever may be a reason to end a step early."""
        self.foreground = 0
        """Counts requests of a class above background that were submitted."""


class Flight(NamedTuple):
    """A step that is being computed: when it began (seconds, `time.monotonic`), and for whom."""

    began: float
    requests: list[Request]


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
        self._signals = signals
        self._metrics = metrics
        self._limits = limits or Limits()
        self.requests = Lifecycle(self._new_scheduler(), tell, metrics)
        self.flight: Flight | None = None
        """The step in flight; None between steps."""
        self._short_of_memory = False
        self._good_steps = 0
        self._next_check = 0.0

    def _new_scheduler(self) -> Scheduler:
        runner = self._runner
        return Scheduler(KvCache(runner.page_count, runner.page_size, runner.copy_page), self._limits)

    @property
    def scheduler(self) -> Scheduler:
        """The scheduler in use."""
        return self.requests.scheduler

    def run_once(self) -> bool:
        """Run one step. False where there is nothing to run."""
        now = time.monotonic()
        self.requests.expire(now)
        plan = self.scheduler.plan(now)
        if plan is None:
            self._check_progress()
            return False
        planned = time.monotonic()
        results = self._forward(plan, planned)
        done = time.monotonic()
        if results is not None:
            self._take_in(plan, results, done - planned, done)
            self._metrics.schedule_seconds.observe(planned - now + time.monotonic() - done)
        return True

    def start_afresh(self) -> None:
        """End all requests with an error and forget what was cached."""
        self.requests.start_afresh(
            self._new_scheduler(), "the engine failed and has started afresh; ask again"
        )

    def _forward(self, plan: Plan, now: float) -> list[list[Sampled]] | None:
        requests = _requests(plan)
        self.flight = Flight(now, requests)
        try:
            results = self._runner.step(plan.rows, self._abort_check(plan, requests))
        except OutOfMemory as error:
            self._shrink(plan, error)
            return None
        except Exception:
            log.exception("a step failed; its requests are ended and the engine goes on")
            self._metrics.failed_steps.add(1, "error")
            self.requests.fail(requests, "the model failed on this request; the engine's log tells why")
            return None
        finally:
            self.flight = None
            self.requests.steps += 1
        if results is None:
            self._metrics.aborted_steps.add()
        return results

    def _abort_check(self, plan: Plan, requests: list[Request]) -> Callable[[], bool]:
        """Whether nobody wants the step any more, or somebody wants another one first."""
        signals = self._signals
        seen = signals.raised
        stale = not any(request.alive for request in requests)

        def abort() -> bool:
            nonlocal seen, stale
            if signals.raised != seen:
                seen = signals.raised
                stale = stale or not any(request.alive for request in requests)
                stale = stale or (not plan.foreground and signals.foreground != self.requests.foreground_met)
            return stale

        return abort

    def _shrink(self, plan: Plan, error: OutOfMemory) -> None:
        """Try once with smaller steps, then give up on this step's requests only."""
        self._metrics.failed_steps.add(1, "memory")
        self._good_steps = 0
        if self._short_of_memory:
            self._short_of_memory = False
            log.error("out of memory in a small step, too: %s", error)
            self.requests.fail(
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
        """Nothing can run: fine where nothing waits, or where a client has to pause."""
        sequences = self.scheduler.sequences
        if sequences.waiting and not sequences.running and not self._limits.client_rate:
            request = sequences.waiting[0].request
            self.requests.fail([request], "this prompt does not fit the KV pool; raise kvMemoryMb")

    def _take_in(self, plan: Plan, results: list[list[Sampled]], seconds: float, now: float) -> None:
        metrics = self._metrics
        self._grow_back()
        for part, sampled in zip(plan.planned, results, strict=True):
            sequence = part.sequence
            if sampled and sequence.request.cancelled:
                metrics.tokens_after_cancel.add(1 + part.right(sampled))
            if sequence.first_step:
                sequence.first_step = False
                self._note_prompt(sequence, now - seconds)
        for progress in self.scheduler.complete(plan, results, seconds, now):
            self._note_tokens(progress, now)
            self.requests.progressed(progress.sequence, progress.complete)
        metrics.step_seconds.observe(seconds)
        metrics.step_rows.observe(plan.work.rows)
        metrics.step_tokens.observe(plan.work.tokens)

    def _note_prompt(self, sequence: Sequence, now: float) -> None:
        request = sequence.request
        self._metrics.prompt(request.parts, sequence.reused)
        if sequence.index == 0:
            self._metrics.queue_seconds.observe(now - request.arrival)

    def _note_tokens(self, progress: Progress, now: float) -> None:
        sequence = progress.sequence
        request = sequence.request
        request.completion_tokens += progress.tokens
        self._metrics.generated_tokens.add(progress.tokens)
        if not request.first_token_at:
            self.requests.started(request, now)
            self._metrics.time_to_first_token_seconds.observe(now - request.arrival)
        if sequence.last_token_at:
            self._metrics.inter_token_seconds.observe((now - sequence.last_token_at) / progress.tokens)
        sequence.last_token_at = now

    @property
    def idle(self) -> bool:
        """Whether there is nothing to do."""
        return self.scheduler.idle

    def check_idle(self) -> None:
        """Assert, when idle, that nothing is held; and now and then that no page is lost."""
        assert self.scheduler.cache.pool.held == 0, "pages are held though nothing runs"
        now = time.monotonic()
        if now >= self._next_check:
            self._next_check = now + _CHECK_EVERY_S
            self.scheduler.check_integrity()

    def publish(self) -> None:
        """Bring what is counted elsewhere into the metrics; any thread may, the figures may be a step
        apart.
        """
        metrics, scheduler = self._metrics, self.scheduler
        pool, sequences = scheduler.cache.pool, scheduler.sequences
        for state, count in (("free", pool.free), ("cached", pool.cached), ("held", pool.held)):
            metrics.pool_pages.set(count, state)
        metrics.running_sequences.set(len(sequences.running))
        metrics.waiting_sequences.set(len(sequences.waiting))
        metrics.cost_model_relative_error.set(scheduler.cost.error)
        metrics.evicted_pages.reach(scheduler.cache.tree.evicted_pages)
        metrics.preemptions.reach(sequences.preemptions)
        metrics.draft_tokens_proposed.reach(scheduler.drafter.proposed)
        metrics.draft_tokens_accepted.reach(scheduler.drafter.accepted)


def _requests(plan: Plan) -> list[Request]:
    return list({part.sequence.request: None for part in plan.planned})
