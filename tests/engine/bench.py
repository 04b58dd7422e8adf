"""A stepper over the fake runner that records the events of each request."""

from __future__ import annotations

from collections.abc import Sequence

from aix_lsp.engine.events import Event, Failed, Finished, Piece
from aix_lsp.engine.metrics import EngineMetrics
from aix_lsp.engine.scheduling.schedule import StepLimits
from aix_lsp.engine.scheduling.sequence import Request
from aix_lsp.engine.stepper import Signals, Stepper
from tests.engine.fakes import FakeRunner


class Bench:
    """A stepper with its events, by request."""

    def __init__(self, runner: FakeRunner | None = None, **limits: object) -> None:
        self.runner = runner or FakeRunner()
        self.told: dict[Request, list[Event]] = {}
        self.signals = Signals()
        self.metrics = EngineMetrics()
        self.stepper = Stepper(
            self.runner,
            self.tell,
            self.signals,
            self.metrics,
            StepLimits(**limits),  # type: ignore[arg-type]
        )

    def tell(self, to: Request, event: Event) -> None:
        events = self.told.setdefault(to, [])
        assert not any(isinstance(e, Finished | Failed) for e in events), "an event after its end"
        events.append(event)

    def add(self, *requests: Request) -> None:
        for one in requests:
            self.told[one] = []
            if one.priority < 3:
                self.signals.foreground += 1
            self.stepper.add(one)

    def run(self, most: int = 10_000) -> None:
        for _ in range(most):
            if not self.stepper.run_once():
                return
        raise AssertionError("does not come to an end")

    def end_cancelled(self) -> None:
        for one in self.told:
            if one.cancelled and not one.finished:
                self.stepper.end(one, "cancelled")

    def texts(self, of: Request) -> list[list[int]]:
        found: list[list[int]] = [[] for _ in of.sequences]
        for event in self.told[of]:
            if isinstance(event, Piece):
                found[event.index] += map(int, event.text.split())
        return found

    def end(self, of: Request) -> Event:
        return self.told[of][-1]

    def check_clean(self) -> None:
        scheduler = self.stepper.scheduler
        scheduler.check_integrity()
        assert scheduler.idle and scheduler.cache.pool.held == 0
        scheduler.cache.tree.clear()
        assert scheduler.cache.pool.free == self.runner.page_count
        for events in self.told.values():
            assert sum(isinstance(e, Finished | Failed) for e in events) == 1


def reasons(events: Sequence[Event]) -> list[str]:
    return [e.reason for e in events if isinstance(e, Piece) and e.reason]
