"""A simulated person accepts as much of a suggestion as is right: a table of cases."""

from __future__ import annotations

import pytest

from benchmarks.replay.acceptance import best_acceptance, keys_to_type
from tests.client.buffer import Buffer

CASES = [
    # before, auto-closed, after, rest to be typed, suggestion, replaces, how accepted, text, keys
    ("x = ", "", "\n", "compute(a)", "compute(a)", 0, "whole", "compute(a)", 1),
    ("x = ", "", "\n", "compute(a)", "compute(b)", 0, "word", "compute(", 2),
    ("x = ", "", "\n", "compute(a)", "other", 0, None, "", 0),
    ("x = ", "", "\n", "ab", "ab", 0, None, "", 0),
    ("if a:", "", "\n", "\n    b()\n    c()", "\n    b()\n    d()", 0, "line", "\n    b()", 1),
    ("if a:", "", "\n", "\n    b()\n    c()\n    e()", "\n    b()\n    c()\n    f", 0, "line", "\n    b()\n    c()", 2),
    ("f(", ")", "\n", "alpha)", "alpha)", 1, "whole", "alpha)", 1),
    ("f(", ")", "\n", "alpha)", "alpha)", 0, "word", "alpha", 1),
    ("f(", ")", "\n", "alpha)", "alpha", 0, "whole", "alpha", 1),
    ("f(", ")", "\n", "alpha, beta)", "alpha, beta)", 1, "whole", "alpha, beta)", 1),
    ("f(", ")", " + y\n", "alpha)", "alpha) + y", 0, "word", "alpha", 1),
]  # fmt: skip


@pytest.mark.parametrize(
    ("before", "closed", "after", "rest", "offer", "replaces", "how", "text", "keys"), CASES
)
def test_what_is_accepted(
    before: str, closed: str, after: str, rest: str, offer: str, replaces: int, how: str, text: str, keys: int
) -> None:
    buffer = Buffer("", before[:-1] + after if closed else before + after, "python")
    buffer.move(len(before) - len(closed))
    if closed:
        buffer.key(before[-1])
    state = buffer.text, buffer.cursor
    assert state == (before + closed + after, len(before))
    take = best_acceptance(offer, replaces, buffer, rest, before + rest + after)
    found = (take.how, take.text, take.keys) if take else (None, "", 0)
    assert found == (how, text, keys)
    assert (buffer.text, buffer.cursor) == state


def test_indentation_is_the_editors() -> None:
    assert keys_to_type("a:\n    b\n        c") == len("a:\nb\nc")
