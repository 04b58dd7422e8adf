"""The order for a part of the campaign, and its report: cases tried, held and found, each with its seed."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

GROWTH = 0.10
"""How much memory may grow between the second and the last quarter of a run."""

_FEWEST = 40
"""Memory samples; a run with fewer is too short to judge."""
_SHOWN = 20


@dataclass(frozen=True)
class Order:
    """How much of a part to run. A case's seed is `seed` plus its number, so that it can be replayed alone."""

    seed: int
    count: int
    until: float = float("inf")
    """The `time.monotonic()` after which no further case starts."""
    end_within_s: float = 5.0
    """How long a process may take to exit when told to."""

    @property
    def expired(self) -> bool:
        return time.monotonic() >= self.until

    def cases(self) -> Iterator[int]:
        """The seeds of the cases, until there are enough or time is up."""
        for number in range(self.count):
            if self.expired:
                return
            yield self.seed + number


@dataclass(frozen=True)
class Finding:
    """An invariant that did not hold."""

    seed: int
    what: str
    beside: tuple[int, ...] = ()
    """The seeds of the cases running at the time, if the case alone does not reproduce it."""


@dataclass
class Outcome:
    """What a part tried, and what it found."""

    part: str
    tried: int = 0
    """Cases, messages or requests; `unit` says which."""
    unit: str = "cases"
    alone: bool = False
    """Whether a case can be run without the earlier ones, in a server of its own."""
    found: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """Further figures, one per line."""
    memory: list[float] = field(default_factory=list)
    """MiB of the process under test, sampled during the run."""
    ended_s: list[float] = field(default_factory=list)
    """Seconds that processes took to exit when told to."""

    running: set[int] = field(default_factory=set)
    """The seeds of the cases that are running."""
    _known: set[tuple[int, str]] = field(default_factory=set)

    def find(self, seed: int, what: str, kind: str = "") -> None:
        """Record a violation; of one `kind` (default: the same words), only the first in a case counts."""
        if (seed, kind or what) not in self._known:
            self._known.add((seed, kind or what))
            self.found.append(Finding(seed, what, tuple(sorted(self.running - {seed}))))

    def check_memory(self, seed: int, name: str) -> None:
        """Note how much the memory grew since the last check; too much is a finding."""
        samples, self.memory = self.memory, []
        if len(samples) < _FEWEST:
            return
        quarter = len(samples) // 4
        early = statistics.median(samples[quarter : 2 * quarter])
        late = statistics.median(samples[-quarter:])
        self.notes.append(f"memory of {name}: {early:.0f} MiB in the second quarter, {late:.0f} in the last")
        if late > early * (1 + GROWTH):
            self.find(seed, f"memory of {name} grew from {early:.0f} to {late:.0f} MiB")

    def lines(self, order: Order, took_s: float) -> list[str]:
        """The report."""
        bad = min(self.tried, len({finding.seed for finding in self.found}))
        lines = [
            f"{self.part}: tried {self.tried:,} {self.unit}, held {self.tried - bad:,}, found {len(self.found)} "
            f"(seed {order.seed}, {took_s:.0f} s)",
            *(f"  {note}" for note in self.notes),
        ]
        if self.ended_s:
            lines.append(
                f"  ended when told: {len(self.ended_s)}, the slowest after {max(self.ended_s):.1f} s"
            )
        for finding in self.found[:_SHOWN]:
            lines.append(f"  FOUND: {finding.what}")
            alone = " --count 1" if self.alone else ""
            lines.append(
                f"    again: python -m benchmarks.campaign --part {self.part} --seed {finding.seed}{alone}"
            )
            if finding.beside:
                lines.append(f"    cases that ran at the same time: {', '.join(map(str, finding.beside))}")
        return lines
