"""The state machine of a server's health, as tables: events, whether requests pass, and the state shown."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aix_lsp.backends.base import BackendError, Trouble
from aix_lsp.backends.health import Health


def trouble(kind: Trouble | None, retry_after_s: float | None = None) -> BackendError:
    return BackendError(f"it is {kind}", trouble=kind, retry_after_s=retry_after_s)


def machine() -> Health:
    """Without jitter."""
    return Health(jitter=lambda: 0.0)


# Each row: seconds, what happens, the state after it, when the server may get the next request.
STORIES: dict[str, list[tuple[float, Any, str, float]]] = {
    "a good start": [(0, "ok", "ready", 0)],
    "away, then found": [(0, "away", "away", 1), (1, "ok", "ready", 1)],
    "pauses grow": [
        (0, "failing", "failing", 1),
        (1, "failing", "failing", 3),
        (3, "failing", "failing", 8),
        (8, "failing", "failing", 18),
        (18, "failing", "failing", 48),
        (48, "failing", "failing", 108),
        (108, "failing", "failing", 168),
    ],
    "success starts a new count": [
        (0, "failing", "failing", 1),
        (1, "failing", "failing", 3),
        (3, "ok", "ready", 3),
        (4, "failing", "failing", 5),
    ],
    "a no is not asked again soon": [(0, "refused", "refused", 30), (30, "refused", "refused", 90)],
    "as long as the server asks": [
        (0, ("throttled", 60.0), "throttled", 60),
        (60, ("throttled", 7.0), "throttled", 67),
        (67, "ok", "ready", 67),
    ],
    "a Retry-After of nothing is no leave to ask at each key": [(0, ("throttled", 0.0), "throttled", 1)],
    "an endless Retry-After is an hour": [(0, ("throttled", 1e9), "throttled", 3600)],
    "another trouble starts a new count": [
        (0, "failing", "failing", 1),
        (1, "failing", "failing", 3),
        (3, "away", "away", 4),
    ],
    "a request's own fault says nothing of the server": [(0, "ok", "ready", 0), (1, None, "ready", 0)],
    "a probe that is given up is not followed by another at once": [
        (0, "failing", "failing", 1),
        (2, "left", "failing", 2.5),
        (3, "ok", "ready", 2.5),
    ],
}


@pytest.mark.parametrize("story", STORIES)
def test_stories(story: str) -> None:
    health = machine()
    for now, what, state, retry_at in STORIES[story]:
        assert health.admit(now), (now, what)
        if what == "ok":
            health.succeeded()
        elif what == "left":
            health.abandoned(now)
        else:
            kind, after = what if isinstance(what, tuple) else (what, None)
            health.failed(now, now, trouble(kind, after))
        assert health.state == state
        assert health.in_trouble == (state not in ("starting", "ready"))
        assert bool(health.message) == health.in_trouble
        if health.in_trouble:
            assert health.retry_at == retry_at
            assert not health.admits(retry_at - 0.001)
            assert health.admits(retry_at)


def test_one_probe_at_a_time() -> None:
    health = machine()
    health.failed(0, 0, trouble("throttled", 10))
    assert not health.admit(9)
    assert health.admit(11)
    assert not health.admit(11)
    assert not health.admit(500)
    health.succeeded()
    assert health.admit(500) and health.admit(500)


def test_requests_that_fail_together_count_once() -> None:
    health = machine()
    for _ in range(5):
        health.failed(0, 1, trouble("failing"))
    assert health.retry_at == 2


def test_jitter_only_adds() -> None:
    late = Health(jitter=lambda: 1.0)
    late.failed(0, 0, trouble("throttled", 8))
    assert late.retry_at == 10


def test_a_fresh_start_forgets() -> None:
    health = machine()
    health.failed(0, 0, trouble("refused"))
    health.reset()
    assert (health.state, health.message) == ("starting", "")
    assert health.admits(0)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["ok", "left", "failing", "refused", "away", "throttled"]), st.floats(0, 100)
        ),
        max_size=40,
    )
)
def test_a_server_in_trouble_is_probed_at_last_and_never_early(events: list[tuple[str, float]]) -> None:
    health, now = Health(), 0.0
    for what, wait in events:
        now += wait
        due = now >= health.retry_at
        admitted = health.admit(now)
        assert admitted == (not health.in_trouble or due)
        if not admitted:
            continue
        if what == "ok":
            health.succeeded()
        elif what == "left":
            health.abandoned(now)
        else:
            health.failed(now, now, trouble(what))  # type: ignore[arg-type]
            assert health.retry_at > now
    assert health.admits(now + 4000)
