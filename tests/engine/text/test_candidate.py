"""A candidate ends at the right token: the text sent, the reason, and surplus tokens."""

from __future__ import annotations

import math

import pytest

from aix_lsp.engine.step import Sampled
from aix_lsp.engine.text.candidate import CandidateText, stops_for
from aix_lsp.fim.confidence import ConfidenceThresholds
from tests.engine.text.test_encoder import encoder


@pytest.mark.parametrize(
    ("probabilities", "confidence", "text", "taken", "reason"),
    [
        ((0.5, 0.5, 0.5, 0.5), ConfidenceThresholds(), "ab\nc", 4, "length"),
        ((0.5, 0.5, 0.5, 0.5), ConfidenceThresholds(whole=0.2), "ab", 3, "length"),
        ((0.5, 0.5, 0.5, 0.5), ConfidenceThresholds(head=0.6), "", 1, "length"),
        ((0.5, 0.5, 0.5, 0.5), ConfidenceThresholds(further=0.2), "ab", 3, "stop"),
        ((0.9, 0.9, 0.9, 0.9), ConfidenceThresholds(0.1, 0.1, 0.1), "ab\nc", 4, "length"),
    ],
)
def test_an_unlikely_candidate_ends_at_once(
    probabilities: tuple[float, ...], confidence: ConfidenceThresholds, text: str, taken: int, reason: str
) -> None:
    _, vocabulary = encoder("embedded")
    candidate = CandidateText(0, vocabulary, stops=stops_for((), "block", "", True), confidence=confidence)
    tokens = [vocabulary.equal_to(piece)[0] for piece in (b"a", b"b", b"\n", b"c")]
    pushed, complete = 0, False
    for token, probability in zip(tokens, probabilities, strict=True):
        complete = candidate.push(Sampled(token, math.log(probability)))
        pushed += 1
        if complete:
            break
    assert pushed == taken
    piece = candidate.close("length")
    assert (piece.text, piece.reason, piece.tokens) == (text, reason, taken)


def test_a_character_of_several_tokens_is_shown_once_it_is_whole() -> None:
    _, vocabulary = encoder("embedded")
    candidate, shown = CandidateText(0, vocabulary), []
    for byte in "世".encode():
        candidate.push(Sampled(vocabulary.equal_to(bytes([byte]))[0], 0.0))
        piece = candidate.take()
        shown.append(piece.text if piece else "")
    assert shown == ["", "", "世"]
