"""The engine's metrics, for Prometheus. Knows only names and buckets; other modules report the values."""

from __future__ import annotations

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)

from aix_lsp.engine.scheduling.scheduler import Scheduler

_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
_FINE_SECONDS = (2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3)
_STEPS = (0.0, 1.0, 2.0, 4.0, 8.0)
_ROWS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
_TOKENS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0)

# Without this, every counter comes with a second series for its creation time.
disable_created_metrics()  # type: ignore[no-untyped-call]


class EngineMetrics:
    """All metrics of one engine. A metric is named after its attribute, prefixed with `aix_`. Times are in seconds.

    Anything observed for each row of a step must be cheap: an observation costs about 1 µs.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = self._counter("requests", "Requests by outcome", "end")
        for end in ("complete", "length", "cancelled", "failed"):
            self.requests.labels(end)
        self.suggestions = self._counter(
            "suggestions", "Suggestions that clients report as shown and as accepted", "outcome"
        )
        for outcome in ("shown", "accepted"):
            self.suggestions.labels(outcome)
        self._add_times()
        self._add_tokens()
        self.aborted_steps = self._counter(
            "aborted_steps", "Steps aborted because all requests in them ended"
        )
        self.failed_steps = self._counter("failed_steps", "Steps that failed, by kind", "kind")
        for kind in ("memory", "error"):
            self.failed_steps.labels(kind)
        self.evicted_pages = self._counter("evicted_pages", "Pages evicted from the cache")
        self.released_bytes = self._counter("released_bytes", "Bytes of the KV pool given back to the system")
        self.preemptions = self._counter("preemptions", "Sequences preempted (returned to the queue)")
        self.pool_pages = self._gauge("pool_pages", "KV pages by state", "state")
        self.running_sequences = self._gauge("running_sequences", "Sequences running")
        self.waiting_sequences = self._gauge("waiting_sequences", "Sequences waiting")
        self.cost_model_relative_error = self._gauge(
            "cost_model_relative_error", "Median relative error of the last predicted step times"
        )
        self.memory_bytes = self._gauge("memory_bytes", "Memory used by the model", "part")
        self.load_seconds = self._gauge("load_seconds", "How long loading the model took")
        self._reached: dict[Counter, int] = {}

    def _add_times(self) -> None:
        self.time_to_first_token_seconds = self._histogram(
            "time_to_first_token_seconds", "From submission to the first token"
        )
        self.inter_token_seconds = self._histogram("inter_token_seconds", "Between tokens of a candidate")
        self.queue_seconds = self._histogram("queue_seconds", "From submission to the first step")
        self.step_seconds = self._histogram("step_seconds", "One forward step")
        self.schedule_seconds = self._histogram(
            "schedule_seconds", "Planning a step and processing its tokens", _FINE_SECONDS
        )
        self.step_rows = self._histogram("step_rows", "Sequences in a step", _ROWS)
        self.step_tokens = self._histogram("step_tokens", "Tokens in a step", _TOKENS)
        self.cancel_to_free_seconds = self._histogram(
            "cancel_to_free_seconds", "From a cancellation to the release of its pages"
        )
        self.cancel_to_free_steps = self._histogram(
            "cancel_to_free_steps", "Steps between a cancellation and the release of its pages", _STEPS
        )

    def _add_tokens(self) -> None:
        self.prompt_tokens_computed = self._counter(
            "prompt_tokens_computed", "Prompt tokens computed, by part", "part"
        )
        self.prompt_tokens_reused = self._counter(
            "prompt_tokens_reused", "Prompt tokens found cached, by part", "part"
        )
        self.generated_tokens = self._counter("generated_tokens", "Tokens generated")
        self.wasted_tokens = self._counter(
            "wasted_tokens", "Tokens generated for requests that were then cancelled"
        )
        self.tokens_after_cancel = self._counter(
            "tokens_after_cancel", "Tokens that steps computed for requests cancelled meanwhile"
        )
        self.draft_tokens_proposed = self._counter("draft_tokens_proposed", "Tokens drafted")
        self.draft_tokens_accepted = self._counter(
            "draft_tokens_accepted", "Drafted tokens that were accepted"
        )

    def _counter(self, name: str, doc: str, *labels: str) -> Counter:
        return Counter(f"aix_{name}", doc, labels, registry=self.registry)

    def _gauge(self, name: str, doc: str, *labels: str) -> Gauge:
        return Gauge(f"aix_{name}", doc, labels, registry=self.registry)

    def _histogram(self, name: str, doc: str, buckets: tuple[float, ...] = _SECONDS) -> Histogram:
        return Histogram(f"aix_{name}", doc, registry=self.registry, buckets=buckets)

    def text(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return generate_latest(self.registry)

    def prompt(self, parts: tuple[tuple[str, int], ...], reused: int) -> None:
        """Count a prompt's tokens as computed or reused, part by part; the first `reused` were cached."""
        for part, length in parts:
            cached = min(max(reused, 0), length)
            reused -= length
            self.prompt_tokens_reused.labels(part).inc(cached)
            self.prompt_tokens_computed.labels(part).inc(length - cached)

    def read(self, scheduler: Scheduler) -> None:
        """Update the metrics that the scheduler counts itself. From any thread: the figures may be a step apart."""
        pool, sequences = scheduler.cache.pool, scheduler.sequences
        for state, count in (("free", pool.free), ("cached", pool.cached), ("held", pool.held)):
            self.pool_pages.labels(state).set(count)
        self.running_sequences.set(len(sequences.running))
        self.waiting_sequences.set(len(sequences.waiting))
        self.cost_model_relative_error.set(scheduler.cost.error)
        self._reach(self.evicted_pages, scheduler.cache.tree.evicted_pages)
        self._reach(self.preemptions, sequences.preemptions)
        self._reach(self.draft_tokens_proposed, scheduler.drafter.proposed)
        self._reach(self.draft_tokens_accepted, scheduler.drafter.accepted)

    def _reach(self, counter: Counter, total: int) -> None:
        """Raise a counter to a total that is kept elsewhere and starts again at 0 with each scheduler."""
        before = self._reached.get(counter, 0)
        counter.inc(total - before if total >= before else total)
        self._reached[counter] = total
