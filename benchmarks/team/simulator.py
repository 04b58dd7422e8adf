"""A discrete-event model of many typists and replicas: arrivals, routing, batched steps, prefix caches. Runs nothing.

A replica takes one step after another. A step of `rows` sequences with `tokens` tokens in all takes
a + b·rows + c·tokens seconds, fitted to the times of real steps (fit.py). It decodes up to 16 sequences and fills the
rest of its time with prompts, as the engine's scheduler does. Documents stay cached until others evict them (LRU).
"""

from __future__ import annotations

import heapq
import random
from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from benchmarks.stats import percentile

RUNNING = 16
DECODING_STEP_S, PREFILL_STEP_S = 0.030, 0.120
"""The same as in the engine's StepLimits."""
SMALLEST_CHUNK = 32
SLACK, ALWAYS = 0.5, 8
"""Parameters of the router's bounded load (aix_lsp/cluster/routing.py)."""

Routing = Literal["affinity", "round robin"]


@dataclass(frozen=True)
class StepCost:
    """Seconds per step, per sequence in it and per token in it; and tokens that a decoding sequence gains per step."""

    step_s: float
    row_s: float
    token_s: float
    tokens_a_row: float = 1.0
    around_s: float = 0.0
    """Time that the way from the client to the engine and back adds to the first text."""

    def seconds(self, rows: int, tokens: int) -> float:
        return self.step_s + self.row_s * rows + self.token_s * tokens


@dataclass(frozen=True)
class Sample:
    """One request: tokens of the prompt, how many are new since the key before, tokens of the answer."""

    prompt: int
    new: int
    answer: int


@dataclass(frozen=True)
class Case:
    """What to simulate. Times are in seconds."""

    typists: int
    replicas: int
    pauses: Sequence[float]
    """Pauses between a typist's requests, to draw from."""
    samples: Sequence[Sample]
    cost: StepCost
    pool_tokens: int
    routing: Routing = "affinity"
    seconds: float = 30.0
    warm_s: float = 5.0
    """The warm-up, which does not count."""
    seed: int = 1


@dataclass
class Outcome:
    """The result of a case."""

    first_ms: list[float] = field(default_factory=list)
    complete: int = 0
    overtaken: int = 0
    met_prefix: int = 0
    continued: int = 0
    busy_s: float = 0.0
    seconds: float = 0.0
    replicas: int = 0

    @property
    def rate(self) -> float:
        """Suggestions per second."""
        return self.complete / self.seconds

    @property
    def load(self) -> float:
        """Share of the time that a replica spends in steps."""
        return self.busy_s / (self.seconds * self.replicas)

    @property
    def prefix_share(self) -> float:
        return self.met_prefix / max(1, self.continued)

    def p(self, percent: float) -> float:
        """A percentile of the time to the first text (ms)."""
        return percentile(self.first_ms, percent)


@dataclass(slots=True, eq=False)
class _Request:
    typist: int
    at: float
    prefill: int
    answer: float
    counted: bool
    first: bool = False
    gone: bool = False
    replica: int = 0


class _Replica:
    def __init__(self, pool_tokens: int) -> None:
        self.waiting: deque[_Request] = deque()
        self.running: list[_Request] = []
        self.stepping = False
        self.in_flight = 0
        self.room = pool_tokens
        self.cached: OrderedDict[int, tuple[int, int]] = OrderedDict()
        """By typist: cached tokens, and the number of the key that they belong to."""
        self.used = 0

    def compute(self, typist: int, key: int, sample: Sample) -> tuple[int, bool]:
        """Prompt tokens to compute here, and whether most of the prompt was cached; it is cached from now on."""
        tokens, known = self.cached.pop(typist, (0, -1))
        self.used -= tokens
        missed = sample.prompt if known < 0 else min(sample.prompt, sample.new * (key - known))
        self.cached[typist] = (sample.prompt, key)
        self.used += sample.prompt
        while self.used > self.room and len(self.cached) > 1:
            _, (freed, _) = self.cached.popitem(last=False)
            self.used -= freed
        return max(1, missed), 2 * missed <= sample.prompt


class Simulation:
    """One case, from start to end."""

    def __init__(self, case: Case) -> None:
        self._case = case
        self._draw = random.Random(case.seed)
        self._replicas = [_Replica(case.pool_tokens) for _ in range(case.replicas)]
        self._in_flight = 0
        self._homes = [self._draw.randrange(case.replicas) for _ in range(case.typists)]
        self._last: list[_Request | None] = [None] * case.typists
        self._keys = [0] * case.typists
        self._events: list[tuple[float, int, int, int]] = []
        """(time, order, 0 for a typist's key and 1 for a replica's step, which typist or replica)."""
        self._order = 0
        self._turn = 0
        self._plans: dict[int, list[tuple[_Request, int]]] = {}
        self._out = Outcome(seconds=case.seconds, replicas=case.replicas)

    def run(self) -> Outcome:
        """Run the simulation; events during the warm-up do not count."""
        case = self._case
        for typist in range(case.typists):
            self._push(self._draw.random() * 2 * self._pause(), 0, typist)
        until = case.warm_s + case.seconds
        while self._events:
            now, _, kind, who = heapq.heappop(self._events)
            if now > until:
                break
            if kind == 0:
                self._key(now, who)
            else:
                self._stepped(now, who)
        return self._out

    def _push(self, at: float, kind: int, who: int) -> None:
        self._order += 1
        heapq.heappush(self._events, (at, self._order, kind, who))

    def _pause(self) -> float:
        return self._draw.choice(self._case.pauses)

    def _key(self, now: float, typist: int) -> None:
        last = self._last[typist]
        if last is not None and not last.gone:
            self._end(last)
            if last.counted:
                self._out.overtaken += 1
                if not last.first:
                    self._out.first_ms.append(1e3 * (now - last.at))
        sample = self._draw.choice(self._case.samples)
        key = self._keys[typist] = self._keys[typist] + 1
        number = self._route(typist)
        replica = self._replicas[number]
        missed, met = replica.compute(typist, key, sample)
        counted = now > self._case.warm_s
        request = _Request(typist, now, missed, sample.answer, counted, replica=number)
        if counted and key > 1:
            self._out.continued += 1
            self._out.met_prefix += met
        self._last[typist] = request
        replica.in_flight += 1
        self._in_flight += 1
        replica.waiting.append(request)
        if not replica.stepping:
            self._step(now, number)
        self._push(now + self._pause(), 0, typist)

    def _route(self, typist: int) -> int:
        count = len(self._replicas)
        if self._case.routing == "round robin":
            self._turn += 1
            return self._turn % count
        start = self._homes[typist]
        bound = max(ALWAYS, (1 + SLACK) * (self._in_flight + 1) / count)
        ring = ((start + step) % count for step in range(count))
        return next((at for at in ring if self._replicas[at].in_flight < bound), start)

    def _end(self, request: _Request) -> None:
        request.gone = True
        self._replicas[request.replica].in_flight -= 1
        self._in_flight -= 1

    def _step(self, now: float, number: int) -> None:
        replica, cost = self._replicas[number], self._case.cost
        replica.running = [request for request in replica.running if not request.gone]
        while replica.waiting and (replica.waiting[0].gone or len(replica.running) < RUNNING):
            request = replica.waiting.popleft()
            if not request.gone:
                replica.running.append(request)
        if not replica.running:
            replica.stepping = False
            return
        plan: list[tuple[_Request, int]] = []
        tokens = 0
        decoding = any(not request.prefill for request in replica.running)
        limit = DECODING_STEP_S if decoding else PREFILL_STEP_S
        for request in sorted(replica.running, key=lambda one: one.prefill > 0):
            spare = limit - cost.seconds(len(plan) + 1, tokens)
            chunk = 0
            if request.prefill:
                fits = int(spare / max(cost.token_s, 1e-7))
                chunk = min(request.prefill, max(fits, 0 if plan else SMALLEST_CHUNK))
                if not chunk:
                    continue
            plan.append((request, chunk))
            tokens += chunk or round(cost.tokens_a_row)
        seconds = cost.seconds(len(plan), tokens)
        replica.stepping = True
        if now > self._case.warm_s:
            self._out.busy_s += seconds
        self._plans[number] = plan
        self._push(now + seconds, 1, number)

    def _stepped(self, now: float, number: int) -> None:
        for request, chunk in self._plans.pop(number):
            if request.gone:
                continue
            request.prefill -= chunk
            if request.prefill:
                continue
            if not request.first:
                request.first = True
                if request.counted:
                    self._out.first_ms.append(1e3 * (now - request.at + self._case.cost.around_s))
            request.answer -= 1 if chunk else self._case.cost.tokens_a_row
            if request.answer <= 0:
                self._end(request)
                self._out.complete += request.counted
        self._step(now, number)


def simulate(case: Case) -> Outcome:
    """The result of a case."""
    return Simulation(case).run()
