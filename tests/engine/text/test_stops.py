"""No part of a stop string is shown, however the text is split."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aix_lsp.engine.text.stops import LineEnd, Stop, StopStrings


def feed(stop: Stop, pieces: list[str]) -> tuple[str, bool, str]:
    shown = ""
    for piece in pieces:
        text, stopped = stop.feed(piece)
        shown += text
        if stopped:
            return shown, True, ""
    return shown, False, stop.flush()


def cut(text: str, places: list[int]) -> list[str]:
    edges = [0, *sorted(place % (len(text) + 1) for place in places), len(text)]
    return [text[a:b] for a, b in itertools.pairwise(edges)]


PLACES = st.lists(st.integers(0, 200), max_size=12)


@given(
    text=st.text("abc\n", max_size=30),
    places=PLACES,
    stops=st.lists(st.text("abc\n", min_size=1, max_size=4), min_size=1, max_size=3),
)
@settings(max_examples=200)
def test_text_ends_at_the_first_stop_string_and_none_leaks(
    text: str, places: list[int], stops: list[str]
) -> None:
    shown, stopped, flushed = feed(StopStrings(stops), cut(text, places))
    assert stopped == any(stop in text for stop in stops)
    assert not any(stop in shown for stop in stops)
    if not stopped:
        assert shown + flushed == text
        # The text held back could have become a stop string.
        assert not flushed or any(stop.startswith(flushed) for stop in stops)
    else:
        assert text.startswith(shown)
        assert any(text[len(shown) :].startswith(stop) for stop in stops)


@pytest.mark.parametrize(
    ("at_line_end", "text", "shown", "stopped"),
    [
        (False, "foo)\nbar", "foo)", True),
        (False, "\nbar", "", True),
        (True, "\n    bar = 1\nbaz", "\n    bar = 1", True),
        (True, "foo\r\nbar", "foo", True),
        (True, "  \n \n", "", False),
        (True, "foo", "foo", False),
        (False, "", "", False),
    ],
)
def test_the_line(at_line_end: bool, text: str, shown: str, stopped: bool) -> None:
    for size in (1, 2, 100):
        pieces = [text[at : at + size] for at in range(0, len(text), size)]
        assert feed(LineEnd(at_line_end), pieces)[:2] == (shown, stopped)
