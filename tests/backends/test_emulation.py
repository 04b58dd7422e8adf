"""Text-level healing and stop strings: what the user sees does not depend on how the stream was cut."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aix_lsp.backends.base import Delta, GenerateRequest
from aix_lsp.backends.emulation import EmulatedStream, StopFilter, TextHealer, cut_word
from aix_lsp.fim.confidence import ConfidenceThresholds
from aix_lsp.fim.prompt import FimPrompt

CUTS = [
    ("x = comp", "x =", " comp"),
    ("x.comp", "x.", "comp"),
    ("x = ", "x =", " "),
    ("x =", "x =", ""),
    ("    retu", "   ", " retu"),
    ("\tretu", "\t", "retu"),
    ("f(", "f(", ""),
    ("a\n", "a\n", ""),
    ("größe = größ", "größe =", " größ"),
    ("whole", "whole", ""),
    ("x " + "w" * 200, "x " + "w" * 200, ""),
    ("", "", ""),
]


@pytest.mark.parametrize(("prefix", "kept", "word"), CUTS)
def test_cut_of_the_prefix(prefix: str, kept: str, word: str) -> None:
    assert cut_word(FimPrompt(prefix)) == (FimPrompt(kept), word)


def test_the_cut_stays_after_the_anchor() -> None:
    assert cut_word(FimPrompt("x = ", middle="y + co")) == (FimPrompt("x = ", middle="y +"), " co")
    assert cut_word(FimPrompt("x = co", middle="m")) == (FimPrompt("x = co", middle="m"), "")


@given(st.text(max_size=8), st.text(max_size=8), st.lists(st.integers(0, 16), max_size=4))
def test_healer(word: str, answer: str, cuts: list[int]) -> None:
    healer, shown = TextHealer(word), ""
    edges = sorted({min(c, len(answer)) for c in cuts} | {0, len(answer)})
    for start, stop in pairwise(edges):
        shown += healer.feed(answer[start:stop])
    if answer.startswith(word):
        assert (shown, healer.settled) == (answer[len(word) :], True)
    else:
        assert (shown, healer.settled) == ("", False)
        assert healer.failed == (not word.startswith(answer))


_LETTERS = st.text("ab\n", max_size=12)


@given(_LETTERS, st.lists(st.text("ab\n", min_size=1, max_size=3), max_size=6), st.integers(1, 4))
def test_stop_filter(text: str, stops: list[str], step: int) -> None:
    stopping, shown = StopFilter(tuple(stops)), ""
    for at in range(0, len(text), step):
        shown += stopping.feed(text[at : at + step])
        assert not any(stop in shown for stop in stops)
    shown += stopping.flush()
    found = [(text.find(stop) + len(stop), text.find(stop)) for stop in stops if stop in text]
    assert shown == (text[: min(found)[1]] if found else text)
    assert stopping.stopped == bool(found)


def run(answer: EmulatedStream, *deltas: Delta) -> list[tuple[int, str, str | None]]:
    given = [taken for delta in deltas if (taken := answer.take(delta))]
    return [(delta.index, delta.text, delta.finish_reason) for delta in given]


def test_two_candidates() -> None:
    answer = EmulatedStream(GenerateRequest(FimPrompt("x"), n=2), " co", ("END",))
    assert run(answer, Delta(" c"), Delta(" com", 1), Delta("ount"), Delta("p EN", 1)) == [
        (1, "m", None),
        (0, "unt", None),
        (1, "p ", None),
    ]
    assert (answer.complete, answer.useless) == (False, False)
    assert run(answer, Delta("Dx", 1), Delta("!", 1), Delta("", 0, "length")) == [
        (1, "", "stop"),
        (0, "", "length"),
    ]
    assert answer.complete
    assert not answer.useless


def test_answer_with_another_word_is_useless() -> None:
    answer = EmulatedStream(GenerateRequest(FimPrompt("x")), "comp", ())
    assert run(answer, Delta("co"), Delta("unt")) == [(0, "", "stop")]
    assert answer.useless


def test_answer_that_ends_within_the_word_is_useless() -> None:
    answer = EmulatedStream(GenerateRequest(FimPrompt("x")), "comp", ())
    run(answer, Delta("co", finish_reason="stop"))
    assert answer.useless


@pytest.mark.parametrize(
    ("deltas", "shown"),
    [(["a", "b\nc"], "ab"), (["\n", "  \n a\nb"], "\n  \n a"), (["a\r\nb"], "a"), ([" "], " ")],
)
def test_one_line(deltas: list[str], shown: str) -> None:
    answer = EmulatedStream(GenerateRequest(FimPrompt("x"), stop_when="line"), "", ())
    given = "".join(text for _, text, _ in run(answer, *map(Delta, deltas)))
    assert given == shown


@pytest.mark.parametrize(
    ("word", "deltas", "shown", "reason"),
    [
        ("", [("a", 0.9), ("b", 0.9)], "ab", None),
        ("", [("a", 0.9), ("b", 0.3)], "a", "length"),
        ("", [("a", None), ("b", None)], "ab", None),
        ("co", [("co", 0.1), ("unt", 0.9)], "unt", None),
    ],
)
def test_an_unlikely_answer_is_cut_off(
    word: str, deltas: list[tuple[str, float | None]], shown: str, reason: str | None
) -> None:
    answer = EmulatedStream(
        GenerateRequest(FimPrompt("x"), confidence=ConfidenceThresholds(whole=0.5)), word, ()
    )
    given = [
        Delta(text, logprob=math.log(probability) if probability is not None else None)
        for text, probability in deltas
    ]
    told = run(answer, *given)
    assert "".join(text for _, text, _ in told) == shown
    assert (told[-1][2], answer.complete) == (reason, reason is not None)


def test_held_back_text_is_released_at_the_end() -> None:
    answer = EmulatedStream(GenerateRequest(FimPrompt("x"), n=2), "", ("END",))
    run(answer, Delta("a EN"))
    assert [(d.index, d.text, d.finish_reason) for d in answer.end("length")] == [
        (0, "EN", "length"),
        (1, "", "length"),
    ]
    assert answer.complete
