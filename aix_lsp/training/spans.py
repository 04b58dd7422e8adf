"""Chooses where a middle begins and ends, like the spans that editors request. Pure; knows no tokens."""

from __future__ import annotations

import re
from collections.abc import Callable
from random import Random

Span = tuple[int, int]
_WORD = re.compile(r"[A-Za-z_]\w*")
_CLOSER = {"(": ")", "[": "]", "{": "}"}
_LONGEST = 600  # characters of a middle


MIDLINE = 0.19
"""Default share of the middles that end within a line."""


def choose_span(rng: Random, text: str, low: int, high: int, midline: float = MIDLINE) -> Span:
    """A middle as [start, end), with its start in [low, high); `midline` is the share of those that end within a line.

    A kind of span that is not possible at the place falls back to the rest of a line.
    """
    kinds = _MIDLINE_KINDS if rng.random() < midline else _KINDS
    (kind,) = rng.choices([k for k, _ in kinds], [share for _, share in kinds])
    place = rng.randrange(low, max(high, low + 1))
    start, end = kind(rng, text, place) or _rest_of_line(rng, text, place)
    return start, min(end, start + _LONGEST)


def line_end(text: str, place: int) -> int:
    """Where the line at a place ends, before its line break."""
    end = text.find("\n", place)
    return len(text) if end < 0 else end


def _line(text: str, place: int) -> Span:
    """The line at a place, without its line ending; if it is blank, the next one that is not, if any."""
    start = text.rfind("\n", 0, place) + 1
    while True:
        end = line_end(text, start)
        if text[start:end].strip() or end == len(text):
            return start, end
        start = end + 1


def _rest_of_line(rng: Random, text: str, place: int) -> Span:
    start, end = _line(text, place)
    first = start + len(text[start:end]) - len(text[start:end].lstrip())
    return rng.randrange(first, max(end, first + 1)), end


def _several_lines(rng: Random, text: str, place: int) -> Span:
    start, end = _rest_of_line(rng, text, place)
    for _ in range(rng.randint(1, 6)):
        following = text.find("\n", end + 1)
        if following < 0:
            break
        end = following
    return start, end


def _after_newline(rng: Random, text: str, place: int) -> Span:
    """One or two whole lines, from their indentation on: what is requested after Enter."""
    start, end = _line(text, place)
    if rng.random() < 0.3:
        following = text.find("\n", end + 1)
        end = following if following > 0 else end
    first = start + len(text[start:end]) - len(text[start:end].lstrip())
    return first, end


def block_span(text: str, place: int) -> Span | None:
    """The lines below the line at a place that are indented deeper, from that line's end on; None if there are none."""
    start, end = _line(text, place)
    depth = _depth(text[start:end])
    last = end
    while last < len(text) and last - end < _LONGEST:
        following = line_end(text, last + 1)
        line = text[last + 1 : following]
        if line.strip() and _depth(line) <= depth:
            break
        last = following
    body = text[end:last].rstrip()
    return (end, end + len(body)) if body else None


def _block(rng: Random, text: str, place: int) -> Span | None:
    """A block's body below its header, for example that of a function."""
    span = block_span(text, place)
    if span is None or rng.random() < 0.5:
        return span
    # The cursor is on the first line, which the editor has already indented.
    body = text[slice(*span)]
    return span[1] - len(body.lstrip()), span[1]


def _depth(line: str) -> int:
    return len(line) - len(line.lstrip())


def _inside_brackets(rng: Random, text: str, place: int) -> Span | None:
    """From somewhere inside a pair of brackets to the closing one."""
    opener = next((i for i in range(place, min(place + 400, len(text))) if text[i] in _CLOSER), None)
    if opener is None:
        return None
    depth = 0
    for i in range(opener, min(opener + _LONGEST, len(text))):
        depth += (text[i] in "([{") - (text[i] in ")]}")
        if depth == 0:
            start = opener + 1 if rng.random() < 0.6 else rng.randint(opener + 1, i)
            return (start, i) if start < i else None
    return None


def _inside_word(rng: Random, text: str, place: int) -> Span | None:
    """From inside a word to its end, or to the end of the next few words of the expression."""
    word = _WORD.search(text, place, place + 300)
    if word is None:
        return None
    start = rng.randrange(word.start(), word.end())
    end = word.end()
    last = line_end(text, end)
    for _ in range(rng.choice((0, 0, 1, 2))):
        following = _WORD.search(text, end, last)
        end = following.end() if following else end
    return start, end


_Kind = Callable[[Random, str, int], Span | None]
_KINDS: list[tuple[_Kind, float]] = [
    (_rest_of_line, 0.56),
    (_several_lines, 0.16),
    (_after_newline, 0.17),
    (_block, 0.11),
]
_MIDLINE_KINDS: list[tuple[_Kind, float]] = [(_inside_brackets, 0.53), (_inside_word, 0.47)]
