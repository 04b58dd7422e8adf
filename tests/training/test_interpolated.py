"""Longest matches against a search that tries them all."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from aix_lsp.training.evaluation.interpolated import longest_match, saturating


@given(st.lists(st.integers(0, 3), min_size=1, max_size=20))
def test_the_longest_match_is_the_longest(tokens: list[int]) -> None:
    length, followers = longest_match(np.array(tokens))
    size = len(tokens)
    wanted, after = 0, list[int]()
    for n in range(1, size):
        ends = [at for at in range(n - 1, size - 1) if tokens[at - n + 1 : at + 1] == tokens[size - n :]]
        if ends:
            wanted, after = n, [tokens[at + 1] for at in ends]
    assert length == wanted
    assert sorted(followers.tolist()) == sorted(after)


def test_the_share_grows_with_the_match() -> None:
    weight = saturating(half=3, most=0.8)
    assert [weight(0), weight(1)] == [0, 0]
    assert 0 < weight(2) < weight(3) < weight(20) < 0.8
    assert abs(weight(4) - 0.4) < 1e-9
