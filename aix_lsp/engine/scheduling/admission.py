"""Decides which waiting sequences start, and what becomes of preempted ones. Pure: knows pages and order, no steps."""

from __future__ import annotations

from collections import Counter

from aix_lsp.engine.pages.radix import common_length
from aix_lsp.engine.scheduling.kv_cache import KvCache
from aix_lsp.engine.scheduling.order import Order
from aix_lsp.engine.scheduling.schedule import StepLimits
from aix_lsp.engine.scheduling.sequence import Request, Sequence, State


class Admission:
    """The waiting and the running sequences, and the transitions between them."""

    def __init__(self, cache: KvCache, limits: StepLimits, order: Order) -> None:
        self.waiting: list[Sequence] = []
        self.running: list[Sequence] = []
        self.preemptions = 0
        self._cache = cache
        self._limits = limits
        self._order = order
        self._leaders: dict[Sequence, Sequence] = {}
        self._unchanged = False

    def enqueue(self, request: Request) -> None:
        """Queue a request's sequences."""
        for sequence in request.sequences:
            sequence.state = State.WAITING
            self.waiting.append(sequence)
        self._unchanged = False

    def finish(self, sequence: Sequence) -> None:
        """Remove a sequence for good; what it computed stays cached."""
        if sequence.state is State.RUNNING:
            self.running.remove(sequence)
            self._cache.release(sequence)
        elif sequence.state is State.WAITING:
            self.waiting.remove(sequence)
        sequence.state = State.DONE
        self._leaders.pop(sequence, None)
        self._unchanged = False

    def preempt(self, sequence: Sequence) -> None:
        """Return a sequence to the queue. What it computed stays in the tree, and is recomputed only if evicted."""
        self.preemptions += 1
        self.running.remove(sequence)
        self._cache.release(sequence)
        sequence.state = State.WAITING
        self.waiting.append(sequence)
        self._unchanged = False

    def prefilled(self) -> None:
        """Note that a prefill has advanced, so that a sequence waiting to share its prompt may start."""
        if self._leaders:
            self._unchanged = False

    def admit(self) -> None:
        """Start the sequences that may start, best first."""
        # A full queue need not be sorted at each step: only these events change who may start.
        if self._unchanged:
            return
        self._unchanged = True
        per_client = Counter(sequence.request.client for sequence in self.running)
        for sequence in self._order.sorted(self.waiting):
            client = sequence.request.client
            if per_client[client] >= self._limits.client_running or self._follows(sequence):
                continue
            if not self._has_slot(sequence) or not self._start(sequence):
                return
            per_client[client] += 1

    def _has_slot(self, sequence: Sequence) -> bool:
        """Whether a slot is free, or can be taken from a sequence of a lower class."""
        if len(self.running) < self._limits.running:
            return True
        victim = self._order.last(self.running)
        if victim.request.priority <= sequence.request.priority:
            return False
        self.preempt(victim)
        return True

    def _follows(self, sequence: Sequence) -> bool:
        """Whether a running sequence is computing a large part of the same prompt, so that waiting to share it is
        cheaper."""
        leader = self._leaders.get(sequence)
        if leader is None:
            leader = next((s for s in self.running if self._leads(s, sequence)), None)
            if leader is None:
                return False
            self._leaders[sequence] = leader
        if leader.state is State.RUNNING and leader.computed < leader.prompt_length:
            return True
        del self._leaders[sequence]
        return False

    def _leads(self, leader: Sequence, sequence: Sequence) -> bool:
        if leader.computed >= leader.prompt_length or leader.request.namespace != sequence.request.namespace:
            return False
        if leader.request.priority > sequence.request.priority:
            return False
        common = common_length(leader.tokens[: leader.prompt_length], sequence.tokens)
        least = common - self._limits.smallest_chunk
        # Most have little in common, and then the tree need not be searched.
        return leader.computed < least and self._cache.shared(sequence) < least

    def _start(self, sequence: Sequence) -> bool:
        """Run a sequence if there is room for its tokens, and for one more page for each running sequence."""
        pool = self._cache.pool
        self._cache.admit(sequence)
        needed = -(-(len(sequence.tokens) + 1) // pool.page_size) - len(sequence.pages)
        if self.running and needed > pool.free + pool.cached - len(self.running):
            self._cache.release(sequence)
            return False
        self.waiting.remove(sequence)
        self.running.append(sequence)
        sequence.state = State.RUNNING
        if sequence.reused < 0:
            sequence.reused = sequence.computed
        request = sequence.request
        request.started_at = request.started_at or self._order.now
        return True
