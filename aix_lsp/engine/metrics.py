"""What the engine measures of itself, for Prometheus. Is told everything; knows names and buckets.

The figures are plain numbers that the engine's thread adds to: an observation costs a tenth of what the
client library's own, locked ones cost, and at sixteen rows a step that matters. The library writes them out.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
_FINE_SECONDS = (2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3)
_STEPS = (0.0, 1.0, 2.0, 4.0, 8.0)
_ROWS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
_TOKENS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0)


class Distribution:
    """A histogram of one figure."""

    def __init__(self, doc: str, bounds: tuple[float, ...] = _SECONDS) -> None:
        self.doc = doc
        self.total = 0.0
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)

    def observe(self, value: float) -> None:
        """Add one observation."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self.total += value

    @property
    def count(self) -> int:
        """How many observations there were."""
        return sum(self._counts)

    def family(self, name: str) -> Metric:
        """As Prometheus has it: cumulative counts by upper bound."""
        buckets: list[tuple[str, float]] = []
        seen = 0
        for bound, count in zip((*map(str, self._bounds), "+Inf"), self._counts, strict=True):
            seen += count
            buckets.append((bound, seen))
        return HistogramMetricFamily(name, self.doc, buckets=buckets, sum_value=self.total)


class Tally:
    """A counter, by one label where it has one."""

    def __init__(self, doc: str, label: str = "", known: tuple[str, ...] = ("",)) -> None:
        self.doc = doc
        self.counts: Counter[str] = Counter(dict.fromkeys(known, 0))
        self._label = label

    def add(self, count: int = 1, label: str = "") -> None:
        """Count `count` more."""
        self.counts[label] += count

    def reach(self, total: int) -> None:
        """Take over a count that is kept elsewhere."""
        self.counts[""] = total

    def family(self, name: str) -> Metric:
        """As Prometheus has it."""
        family = CounterMetricFamily(name, self.doc, labels=[self._label] if self._label else [])
        for label, count in list(self.counts.items()):
            family.add_metric([label] if self._label else [], count)
        return family


class Level:
    """A figure that goes up and down, by one label where it has one."""

    def __init__(self, doc: str, label: str = "") -> None:
        self.doc = doc
        self._label = label
        self._values: dict[str, float] = {}

    def set(self, value: float, label: str = "") -> None:
        """Say what it is now."""
        self._values[label] = value

    def family(self, name: str) -> Metric:
        """As Prometheus has it."""
        family = GaugeMetricFamily(name, self.doc, labels=[self._label] if self._label else [])
        for label, value in list(self._values.items()):
            family.add_metric([label] if self._label else [], value)
        return family


class EngineMetrics:
    """All figures of one engine; an attribute's name, behind `aix_`, is the figure's. Times in seconds."""

    def __init__(self) -> None:
        ends = ("complete", "length", "cancelled", "failed")
        self.requests = Tally("Requests by how they ended", "end", ends)
        self.time_to_first_token_seconds = Distribution("From submission to the first token")
        self.inter_token_seconds = Distribution("Between tokens of a candidate")
        self.queue_seconds = Distribution("From submission to the first step")
        self.step_seconds = Distribution("One forward step")
        self.schedule_seconds = Distribution("Planning a step and taking in its tokens", _FINE_SECONDS)
        self.step_rows = Distribution("Sequences in a step", _ROWS)
        self.step_tokens = Distribution("Tokens in a step", _TOKENS)
        self.prompt_tokens_computed = Tally("Prompt tokens computed, by part", "part", ())
        self.prompt_tokens_reused = Tally("Prompt tokens found cached, by part", "part", ())
        self.generated_tokens = Tally("Tokens generated")
        self.wasted_tokens = Tally("Tokens generated for requests that were then cancelled")
        self.tokens_after_cancel = Tally("Tokens that steps yielded for requests cancelled meanwhile")
        self.cancel_to_free_seconds = Distribution("From cancel to pages let go")
        self.cancel_to_free_steps = Distribution("Steps that ended from cancel to pages let go", _STEPS)
        self.aborted_steps = Tally("Steps ended early because nobody wanted them")
        self.failed_steps = Tally("Steps that raised, by kind", "kind", ("memory", "error"))
        self.evicted_pages = Tally("Pages evicted from the cache")
        self.preemptions = Tally("Sequences sent back to the queue")
        self.draft_tokens_proposed = Tally("Tokens drafted")
        self.draft_tokens_accepted = Tally("Drafted tokens that were right")
        self.pool_pages = Level("KV pages by state", "state")
        self.running_sequences = Level("Sequences running")
        self.waiting_sequences = Level("Sequences waiting")
        self.cost_model_relative_error = Level("Median relative error of the last predicted step times")
        self.memory_bytes = Level("Memory that the model takes", "part")
        self.load_seconds = Level("How long loading the model took")
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def collect(self) -> Iterator[Metric]:
        """For the client library's registry."""
        for name, figure in vars(self).items():
            if isinstance(figure, Distribution | Tally | Level):
                yield figure.family(f"aix_{name}")

    def text(self) -> bytes:
        """All figures in Prometheus' text format."""
        return generate_latest(self._registry)

    def prompt(self, parts: tuple[tuple[str, int], ...], reused: int) -> None:
        """Count a prompt's tokens as computed or reused, part by part; the first `reused` were cached."""
        for part, length in parts:
            cached = min(max(reused, 0), length)
            reused -= length
            self.prompt_tokens_reused.add(cached, part)
            self.prompt_tokens_computed.add(length - cached, part)
