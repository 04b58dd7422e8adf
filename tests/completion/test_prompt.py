"""Prompts are as long as the backend can process in acceptable time."""

from __future__ import annotations

import pytest

from aix_lsp.backends.base import ModelInfo, Usage
from aix_lsp.completion.prompt import limits
from aix_lsp.completion.prompt_budget import SHORTEST, PromptBudget
from aix_lsp.settings import Settings


def read(tokens: int, milliseconds: float, cached: int = 0, queued: float = 0.0) -> Usage:
    return Usage(tokens + cached, cached, 5, queued, milliseconds + queued)


@pytest.mark.parametrize(
    ("usages", "longest"),
    [
        ([], None),
        ([read(20, 500)], None),
        ([read(0, 500, cached=4000)], None),
        ([read(2000, 1000)], 2048),
        ([read(2000, 1000, queued=5000)], 2048),
        ([read(2000, 100_000)], SHORTEST),
        ([read(2000, 10)], 262_144),
        # a little slower or faster changes nothing
        ([read(2000, 1000), read(2000, 990), read(2000, 700)], 2048),
        # much slower does, in time
        ([read(2000, 1000)] + [read(2000, 4000)] * 20, 512),
    ],
)
def test_longest(usages: list[Usage], longest: int | None) -> None:
    pace = PromptBudget()
    for usage in usages:
        pace.add(usage)
    assert pace.longest == longest


def test_limits_shrink_to_the_smallest_of_all() -> None:
    large = ModelInfo("m", context_length=16_384)
    chars = [
        limits(Settings(), model, longest).prefix_chars
        for model, longest in [(large, None), (large, 2048), (ModelInfo("m", context_length=1024), 2048)]
    ]
    assert chars == sorted(chars, reverse=True)
    assert len(set(chars)) == 3
    tiny = limits(Settings(max_tokens=5000), ModelInfo("m", context_length=64), None)
    assert tiny.prefix_chars > 0
    assert tiny.suffix_chars > 0
