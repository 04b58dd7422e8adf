"""The pause before a request is sent to the model."""

from __future__ import annotations

import pytest

from aix_lsp.completion.request import Debouncer


@pytest.mark.parametrize(
    ("gaps", "latency", "longest", "waits"),
    [
        # off, latency unknown, first keystroke
        ([0.1] * 9, 0.5, 0.0, 0.0),
        ([0.1] * 9, None, 1.0, 0.0),
        ([], 0.5, 1.0, 0.0),
        ([5.0], 0.5, 1.0, 0.0),
        # text arrives before the next keystroke
        ([0.3] * 9, 0.1, 1.0, 0.0),
        # typing is faster than the answers
        ([0.1] * 9, 0.5, 1.0, 0.15),
        ([0.1] * 9, 0.5, 0.05, 0.05),
        # a pause ends the fast typing
        ([0.1] * 9 + [2.0], 0.5, 1.0, 0.0),
        ([0.1] * 9 + [2.0, 0.1], 0.5, 1.0, 0.15),
    ],
)
def test_wait(gaps: list[float], latency: float | None, longest: float, waits: float) -> None:
    debouncer = Debouncer()
    now = 100.0
    debouncer.typed(now)
    for gap in gaps:
        now += gap
        debouncer.typed(now)
    assert debouncer.wait(latency, longest) == pytest.approx(waits)


def test_a_remote_server_gets_no_request_during_fast_typing_however_fast_it_is() -> None:
    debouncer = Debouncer()
    for now in (100.0, 100.1, 100.2):
        debouncer.typed(now)
    assert debouncer.wait(None, 1.0, costly=True) == pytest.approx(0.15)
    assert debouncer.wait(0.001, 0.1, costly=True) == pytest.approx(0.1)
    assert debouncer.wait(0.001, 0.0, costly=True) == 0.0
    debouncer.typed(105.0)
    assert debouncer.wait(0.001, 1.0, costly=True) == 0.0


def test_suggestions_that_are_rejected_wait_for_a_pause() -> None:
    debouncer = Debouncer()
    for now in (100.0, 100.2, 100.4):
        debouncer.typed(now)
    assert debouncer.wait(0.01, 1.0) == 0.0
    assert debouncer.wait(0.01, 1.0, costly=True) == pytest.approx(0.3)
