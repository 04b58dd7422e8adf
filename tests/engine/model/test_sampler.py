"""Choosing tokens: greedy, constraints, each sampling option against its definition, reproducibility."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from aix_lsp.engine.model.sampler import _draw, sample, uniform
from aix_lsp.engine.step import Mixture, Row, Sampled, Sampling

VOCAB = 40


def logits(rows: int = 1, seed: int = 0, vocab: int = VOCAB) -> torch.Tensor:
    return torch.randn(rows, vocab, generator=torch.Generator().manual_seed(seed)) * 2


def row(outputs: int = 1, **options: Any) -> Row:
    return Row(tokens=[0] * max(1, outputs), start=0, pages=[0], outputs=outputs, **options)


def one(scores: torch.Tensor, **options: Any) -> Sampled:
    return sample(scores, [row(**options)])[0][0]


def test_greedy_takes_the_most_likely_of_each_row_in_order() -> None:
    scores = logits(6)
    rows = [row(outputs=2), row(outputs=0), row(outputs=1), row(outputs=3)]
    found = sample(scores, rows)
    assert [len(part) for part in found] == [2, 0, 1, 3]
    assert [one.token for part in found for one in part] == scores.argmax(-1).tolist()


def test_nothing_to_sample() -> None:
    assert sample(torch.empty(0, 0), [row(outputs=0), row(outputs=0)]) == [[], []]


def test_logprob_is_of_the_distribution_before_constraints() -> None:
    scores = logits()
    best = int(scores.argmax())
    found = one(scores, banned=(best,), top_logprobs=3)
    expected = scores.log_softmax(-1)[0]
    assert found.token == int(scores[0].topk(2).indices[1])
    assert math.isclose(found.logprob, float(expected[found.token]), abs_tol=1e-5)
    assert [token for token, _ in found.top] == expected.topk(3).indices.tolist()
    assert found.top[0][0] == best


def test_logprob_is_within_what_is_known_to_be_typed() -> None:
    scores = logits()
    assert one(scores, allowed=[[7]]).logprob == pytest.approx(0, abs=1e-5)
    found = one(scores, allowed=[[7, 9, 11]])
    rest = scores[0, [7, 9, 11]].log_softmax(-1)
    assert found.logprob == pytest.approx(float(rest.max()), abs=1e-5)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_logits(dtype: torch.dtype) -> None:
    scores = logits(3).to(dtype)
    found = sample(scores, [row(), row(), row()])
    assert [part[0].token for part in found] == scores.argmax(-1).tolist()


@given(st.sets(st.integers(0, VOCAB - 1), min_size=1), st.sets(st.integers(0, VOCAB - 1)), st.floats(0, 2))
@settings(max_examples=150)
def test_only_allowed_tokens_are_sampled_first(
    allowed: set[int], banned: set[int], temperature: float
) -> None:
    found = one(
        logits(seed=len(allowed)),
        allowed=[sorted(allowed)],
        banned=tuple(banned),
        sampling=Sampling(temperature=temperature, seed=len(banned)),
    )
    assert found.token in (allowed - banned or allowed)


def test_each_output_has_allowed_tokens_of_its_own() -> None:
    scores = logits(3)
    found = sample(scores, [row(outputs=3, allowed=[[3, 5], [2, 8], None])])[0]
    assert found[0].token == max((3, 5), key=lambda token: float(scores[0, token]))
    assert found[1].token == max((2, 8), key=lambda token: float(scores[1, token]))
    assert found[2].token == int(scores[2].argmax())


@given(st.sets(st.integers(0, VOCAB - 1), max_size=VOCAB - 1), st.floats(0, 3), st.integers(0, 2**64))
@settings(max_examples=150)
def test_banned_tokens_are_never_sampled(banned: set[int], temperature: float, seed: int) -> None:
    rows = [row(outputs=2, banned=tuple(banned), sampling=Sampling(temperature=temperature, seed=seed))]
    assert all(found.token not in banned for found in sample(logits(2, seed=1), rows)[0])


@pytest.mark.parametrize("temperature", [5e-324, 1e-30, 1.0, 3.0])
@pytest.mark.parametrize("point", [0.0, 0.5, 1 - 2**-53, 1.0])
def test_the_ends_of_the_distribution_give_tokens_that_may_be_sampled(
    temperature: float, point: float
) -> None:
    scores = torch.tensor([-torch.inf, 2.0, 1.0, -torch.inf])
    assert _draw(scores, Sampling(temperature=temperature), point) in (1, 2)


def kept(sampling: Sampling, scores: torch.Tensor) -> set[int]:
    """The tokens that may be sampled, by the options' definitions."""
    probabilities = (scores[0] / sampling.temperature).softmax(-1)
    order = probabilities.argsort(descending=True).tolist()
    if sampling.top_k:
        order = order[: sampling.top_k]
    total = sum(float(probabilities[token]) for token in order)
    nucleus, mass = [], 0.0
    for token in order:
        if mass >= sampling.top_p:
            break
        nucleus.append(token)
        mass += float(probabilities[token]) / total
    floor = float(probabilities[nucleus[0]]) * sampling.min_p
    return {token for token in nucleus if float(probabilities[token]) >= floor}


@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(temperature=1.0),
        Sampling(temperature=0.7, top_k=5),
        Sampling(temperature=1.3, top_p=0.6),
        Sampling(temperature=1.0, min_p=0.2),
        Sampling(temperature=1.5, top_k=10, top_p=0.8, min_p=0.05),
    ],
)
def test_draws_follow_the_filtered_distribution(sampling: Sampling) -> None:
    scores = logits(seed=3)
    draws = 3000
    rows = [row(sampling=sampling, position_key=at) for at in range(draws)]
    counts = Counter(part[0].token for part in sample(scores.expand(draws, -1), rows))
    support = kept(sampling, scores)
    assert set(counts) <= support
    probabilities = (scores[0] / sampling.temperature).softmax(-1)
    total = sum(float(probabilities[token]) for token in support)
    for token in support:
        share = float(probabilities[token]) / total
        deviation = math.sqrt(share * (1 - share) / draws)
        assert abs(counts[token] / draws - share) < 5 * deviation + 1e-3


@pytest.mark.parametrize("top_p", [0.3, 0.999])
def test_top_p_over_a_large_vocabulary(top_p: float) -> None:
    """Both when a few tokens hold the probability mass and when all must be sorted."""
    scores = logits(seed=4, vocab=5000) * 0.5
    sampling = Sampling(temperature=1.0, top_p=top_p)
    rows = [row(sampling=sampling, position_key=at) for at in range(300)]
    support = kept(sampling, scores)
    assert {part[0].token for part in sample(scores.expand(300, -1), rows)} <= support


def test_a_seed_gives_the_same_tokens_in_any_batch() -> None:
    scores = logits(8, seed=5)
    sampling = Sampling(temperature=1.0, seed=42)
    together = sample(scores, [row(outputs=8, sampling=sampling)])[0]
    alone = [sample(scores[at : at + 1], [row(sampling=sampling, position_key=at)])[0][0] for at in range(8)]
    mixed = sample(
        torch.cat((logits(2, seed=9), scores[3:5])),
        [row(outputs=2), row(outputs=2, sampling=sampling, position_key=3)],
    )[1]
    assert [found.token for found in alone] == [found.token for found in together]
    assert [found.token for found in mixed] == [found.token for found in together[3:5]]


def test_seeds_and_positions_differ() -> None:
    values = {uniform(seed, position) for seed in range(50) for position in range(50)}
    assert len(values) == 2500
    assert all(0 <= value < 1 for value in values)
    assert abs(sum(values) / 2500 - 0.5) < 0.03


def test_mixtures_change_the_probabilities_of_their_outputs_only() -> None:
    scores = logits(3)
    before = scores.clone()
    model = scores.softmax(-1)[1]
    mixture = Mixture(0.6, (3, 7), (0.9, 0.1))
    found = sample(scores, [row(outputs=3, mixtures=(None, mixture, None), top_logprobs=VOCAB)])[0]
    expected = 0.4 * model
    expected[3] += 0.6 * 0.9
    expected[7] += 0.6 * 0.1
    assert found[1].token == int(expected.argmax()) == 3
    assert math.isclose(found[1].logprob, math.log(expected[3]), abs_tol=1e-5)
    assert dict(found[1].top) == pytest.approx(dict(enumerate(expected.log().tolist())), abs=1e-4)
    plain = sample(before, [row(outputs=3, top_logprobs=VOCAB)])[0]
    assert [found[0], found[2]] == [plain[0], plain[2]]
    assert torch.equal(scores, before)


def test_the_probabilities_of_an_end_stay_the_models() -> None:
    scores = logits(2)
    model = scores.softmax(-1)
    mixtures = (Mixture(0.6, (3, 7), (0.9, 0.1)), Mixture(0.5, (3,), (1.0,)))
    found = sample(scores, [row(outputs=2, mixtures=mixtures, ends=(1, 2), top_logprobs=VOCAB)])[0]
    for at, mixture in enumerate(mixtures):
        expected = (1 - mixture.share) * model[at]
        for token, probability in zip(mixture.tokens, mixture.probabilities, strict=True):
            expected[token] += mixture.share * probability * (1 - model[at][1] - model[at][2])
        expected[1:3] = model[at][1:3]
        assert float(expected.sum()) == pytest.approx(1.0, abs=1e-5)
        assert dict(found[at].top) == pytest.approx(dict(enumerate(expected.log().tolist())), abs=1e-4)
    sure = torch.zeros(1, VOCAB)
    sure[0, 1] = 50.0
    assert one(sure, mixtures=(mixtures[0],), ends=(1,)).token == 1


def test_a_mixture_with_a_small_share_does_not_overrule_a_confident_model() -> None:
    scores = torch.zeros(1, VOCAB)
    scores[0, 5] = 10.0
    assert one(scores, mixtures=(Mixture(0.3, (8,), (1.0,)),)).token == 5
    assert one(scores, mixtures=(Mixture(0.7, (8,), (1.0,)),)).token == 8


def test_constraints_hold_against_a_mixture() -> None:
    mixture = Mixture(0.9, (4, 9), (0.8, 0.2))
    assert one(logits(), mixtures=(mixture,)).token == 4
    assert one(logits(), mixtures=(mixture,), banned=(4,)).token == 9
    assert one(logits(), mixtures=(mixture,), allowed=[(9, 11)]).token == 9
    assert one(logits(), mixtures=(mixture,), allowed=[(9, 11)], banned=(9,)).token == 11


def test_draws_come_from_the_mixture() -> None:
    mixture = Mixture(0.5, (4,), (1.0,))
    scores = logits()
    drawn = Counter(
        one(scores, mixtures=(mixture,), sampling=Sampling(temperature=1.0, seed=seed)).token
        for seed in range(2000)
    )
    expected = 0.5 * float(scores.softmax(-1)[0, 4]) + 0.5
    assert drawn[4] / 2000 == pytest.approx(expected, abs=0.05)
