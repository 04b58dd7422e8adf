"""A single thread is used for a while when steps stall on several."""

from __future__ import annotations

import pytest

from aix_lsp.engine.model.threads import Governor


class Machine:
    """A clock, and the number of threads that was set last."""

    def __init__(self) -> None:
        self.now = 0.0
        self.threads = 4
        self.governor = Governor(4, self.set, lambda: self.now)

    def set(self, threads: int) -> None:
        self.threads = threads

    def steps(self, count: int, seconds: float, tokens: int = 1) -> None:
        for _ in range(count):
            self.governor.note(tokens, seconds)


@pytest.fixture
def machine() -> Machine:
    machine = Machine()
    machine.steps(10, 0.001)
    return machine


def test_even_steps_change_nothing(machine: Machine) -> None:
    machine.steps(100, 0.0013)
    machine.steps(100, 0.05, tokens=256)
    machine.steps(100, 0.0009)
    assert machine.threads == 4


def test_single_stalls_are_ignored(machine: Machine) -> None:
    for _ in range(30):
        machine.steps(1, 0.1)
        machine.steps(2, 0.001)
    assert machine.threads == 4


def test_stalling_falls_back_to_one_thread_and_comes_back(machine: Machine) -> None:
    machine.steps(3, 0.1)
    assert machine.threads == 1
    machine.now = 4.9
    machine.steps(5, 0.002)
    assert machine.threads == 1
    machine.now = 5.1
    machine.steps(1, 0.002)
    assert machine.threads == 4


def test_pauses_grow_while_it_stalls_and_shrink_afterwards(machine: Machine) -> None:
    pauses = []
    for _ in range(7):
        machine.steps(3, 0.1)
        begin = machine.now
        while machine.threads == 1:
            machine.now += 0.5
            machine.steps(1, 0.002)
        pauses.append(machine.now - begin)
    assert pauses == [5, 10, 20, 40, 80, 120, 120]
    machine.steps(60, 0.001)
    machine.steps(3, 0.1)
    machine.now += 5
    machine.steps(1, 0.002)
    assert machine.threads == 4


def test_steps_on_one_thread_are_no_measure_for_several() -> None:
    machine = Machine()
    machine.steps(5, 0.002)
    machine.steps(3, 0.1)
    machine.steps(5, 0.0001)
    machine.now = 5
    machine.steps(1, 0.0001)
    machine.steps(20, 0.002)
    assert machine.threads == 4
