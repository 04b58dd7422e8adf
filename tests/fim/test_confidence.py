"""An unlikely generation is cut off: the probability of each piece, the text shown, and the reason for the end."""

from __future__ import annotations

import math

import pytest

from aix_lsp.fim.confidence import ConfidenceGate, ConfidenceThresholds, Verdict

LEAST = ConfidenceThresholds(head=0.1, whole=0.01, further=0.5)


@pytest.mark.parametrize(
    ("pieces", "shown", "verdict"),
    [
        ([("a", 0.9), ("b", 0.9)], "ab", ""),
        # the first visible text
        ([("a", 0.05)], "", "length"),
        ([("", 0.3), (" ", 0.3), ("a", 0.9)], " ", "length"),
        ([("", 0.3), ("a", 0.9), ("b", 0.3)], "ab", ""),
        # all of it
        ([("a", 0.2), ("b", 0.2), ("c", 0.2)], "ab", "length"),
        # another line
        ([("a", 0.6), ("\n", 1.0), ("b", 1.0)], "a\nb", ""),
        ([("a", 0.6), ("\n", 0.6)], "a", "stop"),
        ([("a", 0.4), ("b\r\nc", 1.0)], "ab", "stop"),
        ([("\n", 0.4), ("  a", 1.0), ("\n", 1.0)], "\n  a", "stop"),
        ([("\n  a", 0.4), ("b", 1.0)], "\n  ab", ""),
        ([("\n  a\nb", 0.4)], "\n  a", "stop"),
    ],
)
def test_doubt(pieces: list[tuple[str, float]], shown: str, verdict: Verdict) -> None:
    gate, said, ended = ConfidenceGate(LEAST), "", ""
    for text, probability in pieces:
        assert not ended
        more, ended = gate.feed(text, math.log(probability))
        said += more
    assert (said, ended) == (shown, verdict)


def test_nothing_is_too_unlikely_without_thresholds() -> None:
    assert not ConfidenceThresholds()
    assert ConfidenceGate(ConfidenceThresholds()).feed("a\nb", -1000.0) == ("a\nb", "")
