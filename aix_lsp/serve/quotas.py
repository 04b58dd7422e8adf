"""Quotas: requests in flight and tokens per minute, per user and per class. Knows no HTTP.

Tokens are known when a request has ended, so a bucket may be overdrawn by what is in flight; the next request waits
until it is filled again.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from aix_lsp.serve.users import Identity

_MINUTE_S = 60.0


class OverQuota(Exception):
    """A quota is used up. The message is for the user."""

    def __init__(self, message: str, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = max(math.ceil(retry_after_s), 1)


@dataclass(slots=True)
class _Bucket:
    """What is left of a minute's tokens, as of `at`."""

    left: float
    at: float

    def fill(self, rate: int, now: float) -> None:
        self.left = min(self.left + (now - self.at) * rate / _MINUTE_S, float(rate))
        self.at = now


class Quotas:
    """What users and classes have in use. Used on one event loop."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.user_in_flight: Counter[str] = Counter()
        self.class_in_flight: Counter[str] = Counter()
        self._clock = clock
        self._buckets: dict[tuple[str, str], _Bucket] = {}

    def enter(self, who: Identity) -> None:
        """Count a request in. Raises OverQuota."""
        kind = who.user_class
        self._check_count(self.user_in_flight[who.name], who.in_flight, "you have")
        self._check_count(
            self.class_in_flight[who.class_name], kind.in_flight, f"the class {who.class_name} has"
        )
        self._check_tokens(("user", who.name), who.tokens_a_minute, "your")
        self._check_tokens(("class", who.class_name), kind.tokens_a_minute, f"the class {who.class_name}'s")
        self.user_in_flight[who.name] += 1
        self.class_in_flight[who.class_name] += 1

    def leave(self, who: Identity) -> None:
        """Count a request out."""
        for counter, name in ((self.user_in_flight, who.name), (self.class_in_flight, who.class_name)):
            counter[name] -= 1
            if counter[name] <= 0:
                del counter[name]

    def spent(self, who: Identity, tokens: int) -> None:
        """Take tokens that were computed off the buckets."""
        self._take(("user", who.name), who.tokens_a_minute, tokens)
        self._take(("class", who.class_name), who.user_class.tokens_a_minute, tokens)

    def left(self, who: Identity) -> float | None:
        """What is left of the user's minute; None where there is no limit."""
        if not who.tokens_a_minute:
            return None
        return self._bucket(("user", who.name), who.tokens_a_minute).left

    def _bucket(self, key: tuple[str, str], rate: int) -> _Bucket:
        now = self._clock()
        bucket = self._buckets.setdefault(key, _Bucket(rate, now))
        bucket.fill(rate, now)
        return bucket

    def _take(self, key: tuple[str, str], rate: int, tokens: int) -> None:
        if rate:
            self._bucket(key, rate).left -= tokens

    @staticmethod
    def _check_count(count: int, limit: int, whose: str) -> None:
        if limit and count >= limit:
            raise OverQuota(f"{whose} {count} requests in flight, of at most {limit}; retry in a moment", 1.0)

    def _check_tokens(self, key: tuple[str, str], rate: int, whose: str) -> None:
        if rate and (left := self._bucket(key, rate).left) < 1:
            wait = (1 - left) * _MINUTE_S / rate
            raise OverQuota(f"{whose} {rate} tokens a minute are used up; retry in {wait:.0f} s", wait)
