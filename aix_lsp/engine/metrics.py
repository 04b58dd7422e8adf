"""What the engine measures of itself, for Prometheus. Knows names and buckets; is told everything else."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
_ROWS = (1, 2, 4, 8, 16, 32, 64)
_TOKENS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
_RATIO = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0)


class EngineMetrics:
    """All figures of one engine, in their own registry. Histograms are in seconds unless named otherwise."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self._totals: dict[str, int] = {}

        def histogram(name: str, doc: str, buckets: tuple[float, ...]) -> Histogram:
            return Histogram(f"aix_{name}", doc, buckets=buckets, registry=registry)

        def counter(name: str, doc: str, labels: tuple[str, ...] = ()) -> Counter:
            return Counter(f"aix_{name}", doc, labels, registry=registry)

        def gauge(name: str, doc: str, labels: tuple[str, ...] = ()) -> Gauge:
            return Gauge(f"aix_{name}", doc, labels, registry=registry)

        self.requests = counter("requests", "Requests by how they ended", ("end",))
        for end in ("complete", "length", "cancelled", "failed"):
            self.requests.labels(end)
        self.first_token = histogram(
            "time_to_first_token_seconds", "From submission to first token", _SECONDS
        )
        self.inter_token = histogram("inter_token_seconds", "Between tokens of a candidate", _SECONDS)
        self.queue = histogram("queue_seconds", "From submission to the first planned step", _SECONDS)
        self.step = histogram("step_seconds", "One forward step", _SECONDS)
        self.schedule = histogram("schedule_seconds", "Planning a step and taking in its tokens", _SECONDS)
        self.rows = histogram("step_rows", "Sequences in a step", _ROWS)
        self.step_tokens = histogram("step_tokens", "Tokens in a step", _TOKENS)
        self.prompt_computed = counter("prompt_tokens_computed", "Prompt tokens computed, by part", ("part",))
        self.prompt_reused = counter("prompt_tokens_reused", "Prompt tokens found cached, by part", ("part",))
        self.generated = counter("generated_tokens", "Tokens generated")
        self.wasted = counter("wasted_tokens", "Tokens generated for requests that were then cancelled")
        self.late = counter("tokens_after_cancel", "Tokens a step yielded for requests cancelled meanwhile")
        self.cancel_to_free = histogram("cancel_to_free_seconds", "From cancel to pages let go", _SECONDS)
        self.aborted_steps = counter("aborted_steps", "Steps ended early because nobody wanted them")
        self.failed_steps = counter("failed_steps", "Steps that raised, by kind", ("kind",))
        self.evictions = counter("evicted_pages", "Pages evicted from the cache")
        self.preemptions = counter("preemptions", "Sequences sent back to the queue for want of room")
        self.drafts_proposed = counter("draft_tokens_proposed", "Tokens drafted")
        self.drafts_accepted = counter("draft_tokens_accepted", "Drafted tokens that were right")
        self.pages = gauge("pool_pages", "KV pages by state", ("state",))
        self.running = gauge("running_sequences", "Sequences running")
        self.waiting = gauge("waiting_sequences", "Sequences waiting")
        self.cost_error = gauge("cost_model_relative_error", "Mean relative error of predicted step times")
        self.load_seconds = gauge("load_seconds", "How long loading the model took")

    def text(self) -> bytes:
        """All figures in Prometheus' text format."""
        return generate_latest(self.registry)

    def totals(self, **totals: int) -> None:
        """Bring counters, named as the attributes above, to what others have counted so far."""
        for name, total in totals.items():
            known = self._totals.get(name, 0)
            # A count that fell was begun anew.
            getattr(self, name).inc(total - known if total >= known else total)
            self._totals[name] = total

    def prompt(self, parts: tuple[tuple[str, int], ...], reused: int) -> None:
        """Count a prompt's tokens as computed or reused, part by part; the first `reused` were cached."""
        for part, length in parts:
            cached = min(max(reused, 0), length)
            reused -= length
            if cached:
                self.prompt_reused.labels(part).inc(cached)
            if length > cached:
                self.prompt_computed.labels(part).inc(length - cached)
