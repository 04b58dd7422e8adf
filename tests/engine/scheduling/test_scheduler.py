"""The composition of a step: order, budgets, fairness, recall. Uses a cache whose pages are never written."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from aix_lsp.engine.scheduling.kv_cache import KvCache
from aix_lsp.engine.scheduling.ngram_index import NgramIndex
from aix_lsp.engine.scheduling.order import ClientUsage
from aix_lsp.engine.scheduling.schedule import StepLimits, StepPlan
from aix_lsp.engine.scheduling.scheduler import Scheduler
from aix_lsp.engine.scheduling.sequence import Request, State
from aix_lsp.engine.step import Sampled
from tests.engine import fakes


def request(prompt: Iterable[int], new: int = 5, arrival: float = 0.0, **fields: object) -> Request:
    return fakes.request(list(prompt), new, arrival=arrival, **fields)  # type: ignore[arg-type]


def scheduler(pages: int = 4000, **limits: object) -> Scheduler:
    made = Scheduler(KvCache(pages, 16, lambda *copied: None), StepLimits(**limits))  # type: ignore[arg-type]
    # 1 ms a step, 0.1 ms a token: the budgets in the tests below follow from that.
    made.cost._weights = [1e-3, 0.0, 1e-4, 0.0, 0.0]
    return made


def planned(plan: StepPlan | None) -> dict[Request, int]:
    assert plan is not None
    return {part.sequence.request: part.count for part in plan.planned}


def step(made: Scheduler, now: float = 0.0) -> StepPlan:
    plan = made.plan(now)
    assert plan is not None
    results = [[Sampled(5, 0.0)] * row.outputs for row in plan.rows]
    made.complete(plan, results, made.cost.predict(plan.work), now)
    return plan


def test_a_long_prompt_is_computed_in_chunks_that_fit_the_time_budget() -> None:
    made = scheduler(prefill_step_s=0.021)
    one = request(range(1000))
    made.submit(one)
    assert planned(step(made)) == {one: 200}


def test_steps_are_shorter_while_other_clients_are_served_too() -> None:
    made = scheduler(prefill_step_s=0.021, shared_step_s=0.011, drafts=0)
    made.submit(request(range(10), new=1, client="a"))
    step(made, now=1.0)
    long = request(range(5000, 6000), client="b", arrival=2.0)
    made.submit(long)

    def at(now: float, step_s: float = 1e-3) -> int:
        made.cost._weights = [step_s, 0.0, 1e-4, 0.0, 0.0]
        return planned(step(made, now))[long]

    assert 98 <= at(2.0) <= 100
    assert 98 <= at(5.5) <= 100
    assert 198 <= at(6.5) <= 200
    made.submit(request(range(10), new=1, client="a", arrival=8.0))
    step(made, now=8.0)
    # The fixed cost of a step limits how short a step can usefully be.
    assert 122 <= at(8.5, step_s=4e-3) <= 124


def test_a_client_far_over_its_share_gets_small_chunks() -> None:
    made = scheduler(shared_step_s=0.021, prefill_step_s=0.021, drafts=0)
    greedy = request(range(5000, 6000), client="greedy")
    made.submit(greedy)
    assert planned(step(made)) == {greedy: 200}
    modest = request(range(50), new=50, client="modest")
    made.submit(modest)
    assert planned(step(made)) == {modest: 50, greedy: 32}
    assert planned(made.plan(0.0)) == {modest: 1, greedy: 32}


def test_prefill_beside_explicit_requests_runs_in_small_chunks() -> None:
    made = scheduler(invoked_step_s=0.005, decoding_step_s=0.011, drafts=0)
    typing = request(range(10), new=100, priority=0, client="a")
    made.submit(typing)
    step(made)
    long = request(range(1000), client="b")
    made.submit(long)
    plan = planned(made.plan(0.0))
    assert plan[typing] == 1 and 32 <= plan[long] <= 40
    typing.priority = 1
    assert 80 <= planned(made.plan(0.0))[long] <= 100


def test_order_is_class_then_deadline_then_debt_then_arrival() -> None:
    made = scheduler(running=8, ageing_s=1e3)
    by_hand = request([1] * 50, priority=0, arrival=9.0)
    urgent = request([2] * 50, deadline=20.0, arrival=8.0)
    poor = request([3] * 50, client="poor", arrival=7.0)
    early = request([4] * 50, client="rich", arrival=1.0)
    late = request([5] * 50, client="rich", arrival=2.0)
    made._usage.charge("rich", 1000, 10.0)
    for one in (late, early, poor, urgent, by_hand):
        made.submit(one)
    plan = made.plan(10.0)
    assert plan is not None
    assert [part.sequence.request for part in plan.planned] == [by_hand, urgent, poor, early, late]


def test_background_work_runs_only_when_nothing_else_does_but_is_not_starved() -> None:
    made = scheduler(ageing_s=3.0)
    warm = request([1] * 300, priority=3, arrival=0.0)
    typed = request([2] * 50, new=100, arrival=0.0)
    made.submit(warm)
    made.submit(typed)
    assert set(planned(step(made, 0.1))) == {typed}
    assert set(planned(step(made, 0.2))) == {typed}
    assert warm in planned(step(made, 3.5))
    made.remove(typed)
    plan = made.plan(3.6)
    assert set(planned(plan)) == {warm} and plan is not None and not plan.foreground


def test_a_higher_class_takes_a_slot_and_the_preempted_request_resumes() -> None:
    made = scheduler(running=1)
    prefetch = request([1] * 50, priority=2)
    made.submit(prefetch)
    step(made)
    by_hand = request([2] * 50, new=1, priority=0)
    made.submit(by_hand)
    assert set(planned(step(made))) == {by_hand}
    plan = made.plan(0.0)
    assert planned(plan) == {prefetch: 1}
    assert made.sequences.preemptions == 1


def test_one_client_cannot_take_every_slot() -> None:
    made = scheduler(running=4, client_running=2)
    greedy = [request([k] * 40, client="a") for k in range(4)]
    modest = request([9] * 40, client="b")
    for one in (*greedy, modest):
        made.submit(one)
    plan = planned(made.plan(0.0))
    assert modest in plan and len(plan) == 3


def test_a_full_pool_keeps_the_earliest_requests() -> None:
    made = scheduler(pages=8, drafts=0)
    first, second = request([1] * 60, new=60, arrival=1.0), request([2] * 50, new=60, arrival=2.0)
    made.submit(first)
    made.submit(second)
    while not first.sequences[0].generated >= 59:
        step(made, 3.0)
    assert made.sequences.preemptions >= 1
    made.check_integrity()


def test_a_step_of_sixteen_decoding_rows_keeps_every_row() -> None:
    made = scheduler(drafts=0)
    crowd = [request([k] * 100, new=50, client=str(k)) for k in range(16)]
    for one in crowd:
        made.submit(one)
    while any(one.sequences[0].generated == 0 for one in crowd):
        step(made)
    assert planned(step(made)) == dict.fromkeys(crowd, 1)


def test_debt_decays_by_half() -> None:
    usage = ClientUsage()
    usage.charge("a", 100, 0.0)
    assert usage.debt("a", 5.0) == pytest.approx(50.0)
    usage.charge("a", 100, 5.0)
    assert usage.debt("a", 10.0) == pytest.approx(75.0)
    for name in range(3000):
        usage.charge(str(name), 1, 1e6 + name * 100)
    assert len(usage._debts) <= 1025


def test_under_load_a_client_with_a_quarter_share_gets_a_quarter_of_the_tokens() -> None:
    made = scheduler(running=1, client_running=1, drafts=0)
    served = {"usual": 0, "small": 0}
    waiting: dict[str, Request] = {}
    for step in range(400):
        for client, share in (("usual", 1.0), ("small", 0.25)):
            if client not in waiting or waiting[client].sequences[0].state is State.DONE:
                one = request([step, 1, 2, 3], new=1, arrival=step * 0.01, client=client, share=share)
                waiting[client] = one
                made.submit(one)
        plan = made.plan(step * 0.01)
        assert plan is not None
        served[plan.planned[0].sequence.request.client] += plan.work.tokens
        made.complete(plan, [[Sampled(3, 0.0)] * row.outputs for row in plan.rows], 1e-3, step * 0.01)
    assert 3 < served["usual"] / served["small"] < 5


def test_many_clients_are_not_swept_at_every_charge(monkeypatch: pytest.MonkeyPatch) -> None:
    usage, asked = ClientUsage(), 0
    debt = usage.debt

    def counted(client: str, now: float) -> float:
        nonlocal asked
        asked += 1
        return debt(client, now)

    monkeypatch.setattr(usage, "debt", counted)
    for name in range(20_000):
        usage.charge(str(name), 100, 0.0)
    assert asked < 4 * 20_000


def test_recall_mixes_in_earlier_continuations_on_request() -> None:
    made = scheduler(drafts=0)
    one = request([1, 2, 3, 4, 5, 6, 1, 2], new=20)
    one.recall_weight = 1.0
    made.submit(one)
    plan = made.plan(0.0)
    assert plan is not None
    (mixture,) = plan.rows[0].mixtures
    assert mixture is not None and list(mixture.tokens) == [3]
    made.complete(plan, [[Sampled(3, 0.0)]], 1e-3, 0.0)
    plan = made.plan(0.0)
    assert plan is not None
    (longer,) = plan.rows[0].mixtures
    assert longer is not None and list(longer.tokens) == [4] and longer.share > mixture.share


def test_recall_searches_the_prompts_texts_in_their_order_around_the_cursor() -> None:
    made = scheduler(drafts=0)
    one = request([1, 2, 99, 7, 8, 9], new=20)
    one.texts = ([7, 1, 2, 8, 9], [1, 2])
    one.corpus = NgramIndex([[1, 2, 6]])
    one.recall_weight = 0.5
    made.submit(one)
    plan = made.plan(0.0)
    assert plan is not None
    (mixture,) = plan.rows[0].mixtures
    assert mixture is not None and sorted(mixture.tokens) == [6, 8]
