"""Requests in flight and tokens a minute, of users and of classes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aix_lsp.serve.quotas import REPORT_EXPIRY_S, OverQuota, Quotas
from aix_lsp.serve.users import Identity, UserClass


def who(name: str = "ann", in_flight: int = 0, tokens: int = 0) -> Identity:
    return Identity(name, "default", UserClass(), in_flight, tokens)


def test_requests_in_flight_of_one_user() -> None:
    quotas, ann = Quotas(), who(in_flight=2)
    quotas.enter(ann)
    quotas.enter(ann)
    with pytest.raises(OverQuota, match="of at most 2"):
        quotas.enter(ann)
    quotas.enter(who("bob", in_flight=2))
    quotas.leave(ann)
    quotas.enter(ann)


def test_requests_in_flight_of_a_class() -> None:
    quotas = Quotas()
    quotas.enter(who("ann", in_flight=9))
    with pytest.raises(OverQuota, match="class default"):
        quotas.enter(Identity("bob", "default", UserClass(in_flight=1), 9, 0))


def test_tokens_per_minute_and_retry_after() -> None:
    now = 0.0
    quotas, ann = Quotas(lambda: now), who(tokens=60)
    quotas.enter(ann)
    quotas.spent(ann, 90)
    with pytest.raises(OverQuota) as over:
        quotas.enter(ann)
    assert over.value.retry_after_s == 31
    now = 30.9
    with pytest.raises(OverQuota):
        quotas.enter(ann)
    now = 31.1
    quotas.enter(ann)
    now = 1e6
    assert quotas.left(ann) == 60


def test_without_a_limit_nothing_is_refused() -> None:
    quotas, ann = Quotas(), who()
    for _ in range(1000):
        quotas.enter(ann)
        quotas.spent(ann, 10**9)
    assert quotas.left(ann) is None


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 200), st.floats(0, 5)), max_size=60))
def test_no_interval_exceeds_the_bucket_and_its_rate(
    events: list[tuple[bool, int, float]],
) -> None:
    now, spent, largest = 0.0, 0, 0
    quotas, ann = Quotas(lambda: now), who(tokens=100)
    for asks, tokens, pause in events:
        now += pause
        if asks:
            try:
                quotas.enter(ann)
            except OverQuota:
                continue
            quotas.leave(ann)
            quotas.spent(ann, tokens)
            spent, largest = spent + tokens, max(largest, tokens)
    assert spent <= 100 + now * 100 / 60 + largest
    assert not quotas.in_flight


def test_replicas_share_in_flight_counts_until_one_falls_silent() -> None:
    now = 0.0
    here, there, ann = Quotas(lambda: now), Quotas(lambda: now), who(in_flight=2)
    there.enter(ann)
    there.enter(ann)
    here.take_report("there", there.in_use())
    with pytest.raises(OverQuota, match="you have 2 requests in flight"):
        here.enter(ann)
    now = REPORT_EXPIRY_S + 0.1
    here.enter(ann)
    there.leave(ann)
    here.take_report("there", there.in_use())
    with pytest.raises(OverQuota):
        here.enter(ann)


def test_spending_before_another_replica_joined_is_not_charged_again() -> None:
    now = 0.0
    old, new, ann = Quotas(lambda: now), Quotas(lambda: now), who(tokens=60)
    for _ in range(1000):
        old.spent(ann, 60)
        now += 60.0
    new.enter(ann)  # before anything was heard from the other
    new.spent(ann, 10)
    old.spent(ann, 20)
    new.take_report("old", old.in_use())
    assert new.left(ann) == 40
    old.spent(ann, 5)
    new.take_report("old", old.in_use())
    assert new.left(ann) == 35


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 50), st.floats(0, 3)), min_size=1, max_size=40))
def test_replicas_that_hear_from_all_share_one_bucket(spent: list[tuple[int, int, float]]) -> None:
    now = 0.0
    alone, replicas = Quotas(lambda: now), [Quotas(lambda: now) for _ in range(3)]
    ann = who(tokens=600)
    for number, tokens, seconds in spent:
        now += seconds
        for quotas in (alone, replicas[number]):
            quotas.spent(ann, tokens)
        for other in replicas:
            if other is not replicas[number]:
                other.take_report(str(number), replicas[number].in_use())
        for quotas in replicas:
            assert quotas.left(ann) == pytest.approx(alone.left(ann))
