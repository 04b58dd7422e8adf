"""Quotas: requests in flight and tokens per minute, per user and per class. Knows no HTTP.

Tokens are only known when a request has ended, so requests in flight may overdraw a bucket; the next request waits
until it is positive again.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from aix_lsp.serve.users import Identity

_MINUTE_S = 60.0
REPORT_EXPIRY_S = 5.0
"""How long another replica's report of requests in flight counts; without a new one, it may have died."""


class OverQuota(Exception):
    """A quota is used up. The message is for the user."""

    def __init__(self, message: str, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = max(math.ceil(retry_after_s), 1)


@dataclass(slots=True)
class _Bucket:
    """The tokens left of a minute's quota at the time `at`."""

    left: float
    at: float

    def fill(self, rate: int, now: float) -> None:
        self.left = min(self.left + (now - self.at) * rate / _MINUTE_S, float(rate))
        self.at = now


_Key = tuple[Literal["user", "class"], str]


@dataclass(slots=True)
class _Spent:
    """Tokens taken from a bucket by this replica since its start."""

    tokens: int = 0
    rate: int = 0


@dataclass(frozen=True, slots=True)
class InUse:
    """What users and classes have in use at one replica, as reported to the others."""

    in_flight: dict[_Key, int]
    spent: dict[_Key, tuple[int, int, float]]
    """For each bucket: tokens since that replica's start, the rate (tokens a minute), and the tokens left there."""


@dataclass(slots=True)
class _Elsewhere:
    """The last report from another replica."""

    at: float
    in_flight: dict[_Key, int] = field(default_factory=dict)
    spent: dict[_Key, int] = field(default_factory=dict)


class Quotas:
    """What users and classes have in use. Used on one event loop.

    Replicas share quotas by reporting to each other what is in use (`in_use`, `take_report`). Between reports, each
    relies on the last one, so a user may briefly exceed the quota a little.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.in_flight: Counter[_Key] = Counter()
        self._clock = clock
        self._buckets: dict[_Key, _Bucket] = {}
        self._spent: dict[_Key, _Spent] = {}
        self._elsewhere: dict[str, _Elsewhere] = {}

    def enter(self, who: Identity) -> None:
        """Count a request that begins. Raises OverQuota."""
        user, of_class, kind = *_keys(who), who.user_class
        self._check_count(user, who.in_flight, "you have")
        self._check_count(of_class, kind.in_flight, f"the class {who.class_name} has")
        self._check_tokens(user, who.tokens_a_minute, "your")
        self._check_tokens(of_class, kind.tokens_a_minute, f"the class {who.class_name}'s")
        self.in_flight.update((user, of_class))

    def of_user(self, name: str) -> int:
        """The user's requests in flight, at all replicas."""
        return self._everywhere(("user", name))

    def leave(self, who: Identity) -> None:
        """Count a request that ends."""
        for key in _keys(who):
            self.in_flight[key] -= 1
            if self.in_flight[key] <= 0:
                del self.in_flight[key]

    def spent(self, who: Identity, tokens: int) -> None:
        """Take computed tokens from the buckets."""
        for key, rate in zip(_keys(who), (who.tokens_a_minute, who.user_class.tokens_a_minute), strict=True):
            if rate:
                self._bucket(key, rate).left -= tokens
                spent = self._spent.setdefault(key, _Spent())
                spent.tokens, spent.rate = spent.tokens + tokens, rate

    def left(self, who: Identity) -> float | None:
        """Tokens left of the user's minute; None if there is no limit."""
        if not who.tokens_a_minute:
            return None
        return self._bucket(("user", who.name), who.tokens_a_minute).left

    def in_use(self) -> InUse:
        """The report for the other replicas."""
        spent = {
            key: (found.tokens, found.rate, self._bucket(key, found.rate).left)
            for key, found in self._spent.items()
        }
        return InUse(dict(self.in_flight), spent)

    def take_report(self, replica: str, report: InUse) -> None:
        """Process another replica's report. Its requests in flight count until the next or `REPORT_EXPIRY_S`."""
        now = self._clock()
        known = self._elsewhere.setdefault(replica, _Elsewhere(now))
        known.at, known.in_flight = now, report.in_flight
        for key, (tokens, rate, left) in report.spent.items():
            bucket = self._bucket(key, rate)
            if key in known.spent:
                bucket.left -= tokens - known.spent[key]
            else:  # part of its total is from before this replica's start: use what is left there
                bucket.left = min(bucket.left, left)
            known.spent[key] = tokens

    def _everywhere(self, key: _Key) -> int:
        """The requests in flight at all replicas."""
        since = self._clock() - REPORT_EXPIRY_S
        heard = sum(one.in_flight.get(key, 0) for one in self._elsewhere.values() if one.at >= since)
        return self.in_flight[key] + heard

    def _bucket(self, key: _Key, rate: int) -> _Bucket:
        now = self._clock()
        bucket = self._buckets.setdefault(key, _Bucket(rate, now))
        bucket.fill(rate, now)
        return bucket

    def _check_count(self, key: _Key, limit: int, whose: str) -> None:
        if limit and (count := self._everywhere(key)) >= limit:
            raise OverQuota(f"{whose} {count} requests in flight, of at most {limit}; retry in a moment", 1.0)

    def _check_tokens(self, key: _Key, rate: int, whose: str) -> None:
        if rate and (left := self._bucket(key, rate).left) < 1:
            wait = (1 - left) * _MINUTE_S / rate
            raise OverQuota(f"{whose} {rate} tokens a minute are used up; retry in {wait:.0f} s", wait)


def _keys(who: Identity) -> tuple[_Key, _Key]:
    """The user's key and the class's."""
    return ("user", who.name), ("class", who.class_name)
