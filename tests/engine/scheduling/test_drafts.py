"""Drafts: which tokens the scheduler has the model verify, and what is taken of them."""

from __future__ import annotations

import pytest

from aix_lsp.engine.scheduling.draft import Drafter
from aix_lsp.engine.scheduling.recall import Recall
from aix_lsp.engine.scheduling.schedule import StepPlan
from aix_lsp.engine.scheduling.scheduler import Scheduler
from aix_lsp.engine.scheduling.sequence import Request
from aix_lsp.engine.step import Sampled
from tests.engine.scheduling.test_scheduler import request, scheduler, step


def second_plan(made: Scheduler, one: Request) -> StepPlan:
    """The step after the one in which a request's prompt is computed and token 3 comes out."""
    made.submit(one)
    first = made.plan(0.0)
    assert first is not None
    made.complete(first, [[Sampled(3, 0.0)]], 1e-3, 0.0)
    second = made.plan(0.0)
    assert second is not None
    return second


def test_drafts_follow_an_earlier_occurrence_and_are_accepted_as_far_as_right() -> None:
    made = scheduler()
    one = request([1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2], new=20)
    plan = second_plan(made, one)
    row = plan.rows[0]
    assert list(row.tokens[:4]) == [3, 4, 5, 6] and row.outputs == len(row.tokens)
    told = [4, 5, 99, *range(row.outputs - 3)]
    made.complete(plan, [[Sampled(token, 0.0) for token in told]], 1e-3, 0.0)
    assert one.sequences[0].tokens[-4:] == [3, 4, 5, 99]
    assert one.sequences[0].pending == 1
    made.check_integrity()


def test_no_drafts_when_they_cost_more_than_they_gain() -> None:
    drafter, recall = Drafter(), Recall([[1, 2, 3, 1, 2]])
    cheap, _ = drafter.propose(recall, 0.01, 8)
    dear, _ = drafter.propose(recall, 0.9, 8)
    assert cheap == [3, 1, 2] and not dear
    for _ in range(200):
        drafter.learn(2, 3, 0)
    assert not drafter.propose(recall, 0.1, 8)[0]


def test_each_drafted_token_has_its_own_mixture() -> None:
    made = scheduler()
    one = request([*range(1, 16), 1, 2], new=20)
    one.recall_weight = 1.0
    row = second_plan(made, one).rows[0]
    drafts = list(row.tokens[1:])
    assert drafts and len(row.mixtures) == row.outputs
    assert [list(m.tokens) for m in row.mixtures if m is not None][: len(drafts)] == [[d] for d in drafts]


@pytest.mark.parametrize(("written", "kept"), [([7, 8, 9], [7, 8, 9]), ([7, 6, 9], [7, 6]), ([6, 8, 9], [6])])
@pytest.mark.parametrize("cached", [False, True])
def test_a_healed_word_is_drafted_in_the_prompts_own_step(
    written: list[int], kept: list[int], cached: bool
) -> None:
    made = scheduler()
    if cached:  # then the prompt's last token alone is computed
        before = request([1, 2, 3], new=1)
        made.submit(before)
        step(made)
    one = request([1, 2, 3], limits=([6, 7], [6, 8]), guesses=(7, 8))
    made.submit(one)
    plan = made.plan(0.0)
    assert plan is not None
    (row,) = plan.rows
    assert list(row.tokens) == ([3, 7, 8] if cached else [1, 2, 3, 7, 8])
    assert row.outputs == 3 and list(row.allowed) == [[6, 7], [6, 8], None]
    made.complete(plan, [[Sampled(token, 0.0) for token in written]], 1e-3, 0.0)
    (sequence,) = one.sequences
    assert sequence.tokens == [1, 2, 3, *kept] and sequence.pending == 1
    made.check_integrity()


def test_healed_words_are_drafted_only_while_that_pays() -> None:
    drafter = Drafter()
    assert drafter.spell([7, 8], 0.05, 8) == [7, 8] and drafter.spell([7, 8], 0.05, 1) == [7]
    for _ in range(200):
        drafter.learn(0, 2, 0)
    assert not drafter.spell([7, 8], 0.05, 8)
