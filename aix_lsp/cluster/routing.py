"""Chooses the replica for a request: the one that has its document's prefix cached, unless that one is overloaded.

Consistent hashing with bounded loads (Mirrokni, Thorup and Zadimoghaddam 2018) on Ray's ring: a replica is skipped
while it has more than its share of all requests in flight, and the document's requests go to the next on the ring.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ray.serve.experimental.consistent_hash_router import ConsistentHashRouter
from ray.serve.request_router import PendingRequest, RunningReplica

_MOST_REPLICAS = 64
_SLACK = 0.5
"""How much more than its share of all requests in flight a replica may have: 0.5 is half as many again."""
_ALWAYS = 8
"""With fewer requests in flight, a replica is never skipped: waiting for them costs less than a cold prompt."""


class AffinityRouter(ConsistentHashRouter):  # type: ignore[misc]
    """Routes by document (the header x-session-id), with bounded load."""

    def initialize_state(self, **kwargs: Any) -> None:
        """`slack` and `always` override the limits above; the others are the ring's."""
        self._slack = float(kwargs.pop("slack", _SLACK))
        self._always = int(kwargs.pop("always", _ALWAYS))
        super().initialize_state(**{"num_fallback_replicas": _MOST_REPLICAS, **kwargs})

    async def choose_replicas(
        self, candidate_replicas: list[RunningReplica], pending_request: PendingRequest | None = None
    ) -> list[list[RunningReplica]]:
        """See RequestRouter: the replicas in the ring's order, overloaded ones last."""
        ranked = await super().choose_replicas(candidate_replicas, pending_request)
        order = [replica for rank in ranked for replica in rank]
        known = {replica: self.replica_queue_len_cache.get(replica.replica_id) or 0 for replica in order}
        return [[replica] for replica in within_bound(order, known, self._slack, self._always)]


def within_bound(order: Sequence[Any], in_flight: Mapping[Any, int], slack: float, always: int) -> list[Any]:
    """The replicas in the order in which to try them."""
    if not order:
        return []
    bound = max(always, math.ceil((1 + slack) * (sum(in_flight.values()) + 1) / len(order)))
    return sorted(order, key=lambda replica: in_flight[replica] >= bound)
