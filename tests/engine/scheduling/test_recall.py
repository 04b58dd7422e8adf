"""Recall: the longest match compared with its definition, with tokens added one by one and in drafts."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aix_lsp.engine.scheduling.ngram_index import NgramIndex
from aix_lsp.engine.scheduling.recall import Recall

tokens = st.lists(st.integers(0, 3), max_size=30)


def continuations(text: list[int], tail: list[int], length: int) -> Counter[int]:
    """What follows the last `length` tokens of `tail` in `text`, by definition."""
    if not 0 < length <= len(tail):
        return Counter()
    return Counter(
        text[end] for end in range(length, len(text)) if text[end - length : end] == tail[-length:]
    )


def longest(texts: list[list[int]], tail: list[int]) -> tuple[int, Counter[int]]:
    """(length, continuations) of the longest suffix of `tail` that one of `texts` contains before another token."""
    for length in range(min(len(tail), 24), 0, -1):
        found = sum((continuations(text, tail, length) for text in texts), Counter())
        if found:
            return length, found
    return 0, Counter()


@given(st.lists(tokens, max_size=2), tokens, st.lists(tokens, max_size=2), tokens, tokens)
def test_the_mixture_is_what_followed_the_longest_match(
    others: list[list[int]],
    before: list[int],
    corpus: list[list[int]],
    generated: list[int],
    drafts: list[int],
) -> None:
    """However the tokens came, generated or drafted, only the last ones count: drafts must not change the text."""
    recall = Recall([*others, before], NgramIndex(corpus))
    for at in range(len(generated) + 1):
        recall.extend(generated[at - 1 : at] if at else [])
        assert recall.generated == at
    for at, mixture in enumerate(recall.mixtures(drafts, 0.5)):
        tail = before + generated + drafts[:at]
        length, _ = longest([*others, before, *corpus], tail)
        assert (mixture is None) == (length == 0)
        if mixture is None:
            continue
        # The request's own texts count four times.
        weighed = [*others, before] * 4 + corpus
        expected = sum((continuations(text, tail, length) for text in weighed), Counter())
        assert dict(zip(mixture.tokens, mixture.probabilities, strict=True)) == pytest.approx(
            {token: count / expected.total() for token, count in expected.items()}
        )


@given(tokens, st.lists(tokens, max_size=2), tokens, tokens)
def test_drafts_do_not_change_the_mixture(
    before: list[int], corpus: list[list[int]], generated: list[int], drafts: list[int]
) -> None:
    drafted = Recall([before], NgramIndex(corpus))
    drafted.extend(generated)
    found = drafted.mixtures(drafts, 1.0)
    stepwise = Recall([before], NgramIndex(corpus))
    stepwise.extend(generated)
    for at, mixture in enumerate(found):
        assert stepwise.mixtures([], 1.0) == [mixture]
        stepwise.extend(drafts[at : at + 1])


@given(tokens, st.lists(tokens, max_size=2), tokens)
def test_a_draft_is_what_followed_the_longest_match(
    before: list[int], corpus: list[list[int]], generated: list[int]
) -> None:
    recall = Recall([before], NgramIndex(corpus))
    recall.extend(generated)
    text = before + generated
    found = recall.draft()
    draft, length = found.tokens(4), min(found.length, 24)
    assert bool(draft) == bool(length)
    given_length, _ = longest([before, *corpus], text)
    assert given_length <= length <= longest([text, *corpus], text)[0]
    assert not draft or any(
        one[at : at + len(draft)] == draft and one[at - length : at] == text[-length:]
        for one in (text, *corpus)
        for at in range(length, len(one))
    )


def test_no_match_spans_two_texts() -> None:
    assert Recall([[1, 2], [3, 1, 2]]).draft().length == 0
    assert Recall([[1, 2], [1, 2, 3, 1, 2]]).draft().length == 2
    recall = Recall([[3, 1, 2]], NgramIndex([[1, 2], [2, 5]]))
    assert recall.draft().length == 1
    (mixture,) = recall.mixtures([], 1.0)
    assert mixture is not None and list(mixture.tokens) == [5]


def test_longer_matches_have_larger_shares() -> None:
    text = list(range(40))
    shares = []
    for length in (1, 2, 4, 8, 20):
        (mixture,) = Recall([text, text[20 - length : 20]]).mixtures([], 1.0)
        assert mixture is not None and list(mixture.tokens) == [20]
        shares.append(mixture.share)
    assert shares == sorted(set(shares))


def test_of_many_continuations_the_frequent_ones_are_kept() -> None:
    text = [token for follower in range(1, 100) for token in (0, follower)] + [0, 7, 0, 7]
    (mixture,) = Recall([text, [0]]).mixtures([], 1.0)
    assert mixture is not None and len(mixture.tokens) == 32 and 7 in mixture.tokens
    assert np.isclose(sum(mixture.probabilities), 1.0)
