"""Unmatched brackets and quotes in a piece of code, ignoring those in strings and comments.

A tokenizer, not a parser: it reads fragments, which a parser would reject.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

from aix_lsp.languages import Language, language_of

PAIRS = {")": "(", "]": "[", "}": "{"}
LINE_COMMENT = "line comment"
BLOCK_COMMENT = "block comment"
_TRIPLE = re.compile(r"\"{3}|'{3}")
# Between slashes, unless a value precedes them that could be divided.
_EXPRESSION = (
    r"(?:(?<=[=(,:\[!&|?;{}])|(?<=[=(,:\[!&|?;{}] )|(?<=return )|(?<=\n))"
    r"/(?![/*])(?:[^/\\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+/"
)
_CODE_LINE = re.compile(
    r"^[ \t]*(?:def |class |import |from |return\b|if .*:$|for .*:$|self\.|@|\w+ = )", re.MULTILINE
)


@dataclass(frozen=True, slots=True)
class Bracket:
    """A bracket or quote and its position in the text that was read."""

    char: str
    at: int


@dataclass(frozen=True, slots=True)
class Unpaired:
    """What a fragment leaves open, and what it closes that was opened before it."""

    openers: tuple[Bracket, ...]
    closers: tuple[Bracket, ...]
    state: str
    """At its end: "" in code, a quote in a string, or LINE_COMMENT or BLOCK_COMMENT."""
    quoted: int | None = None
    """Where the first string begins that is closed neither on its line nor, if it may span lines, in the text."""

    @property
    def in_string(self) -> bool:
        return self.state not in ("", LINE_COMMENT, BLOCK_COMMENT)


@lru_cache(maxsize=128)
def unpaired(text: str, language_id: str, state: str = "") -> Unpaired:
    """Read `text`, which begins in `state`."""
    openers: list[Bracket] = []
    closers: list[Bracket] = []
    began_in, quoted, left_open = state, 0, None
    for token, at, was, now in _tokens(text, language_of(language_id), state):
        if was:
            if token == was == began_in:
                closers.append(Bracket(token, at))
            elif token == "\n" and was != LINE_COMMENT and not now and not began_in and left_open is None:
                left_open = quoted
            began_in = began_in if now else ""
        elif token in PAIRS:
            _close(token, at, openers, closers)
        elif token in "([{":
            openers.append(Bracket(token, at))
        elif now:
            quoted = at
        state = now
    found = Unpaired(tuple(openers), tuple(closers), state, left_open)
    if found.in_string and not began_in and left_open is None:
        return replace(found, quoted=quoted)
    return found


def brackets(text: str, language_id: str, state: str = "") -> list[Bracket]:
    """All brackets of `text` in order, without quotes and without those in strings and comments."""
    found = _tokens(text, language_of(language_id), state)
    return [Bracket(token, at) for token, at, was, _ in found if not was and token in "([{)]}"]


def _tokens(text: str, language: Language, state: str) -> Iterator[tuple[str, int, str, str]]:
    """Each relevant token, its position, and the states before and after it."""
    pattern, place = _pattern(language), 0
    while match := pattern.search(text, place):
        token, was, place = match.group(), state, match.end()
        if len(token) > 2 and token[0] == "/":
            if was:  # what ends there may be between the slashes
                place = match.start() + 1
            continue
        if was:
            state = _leave(was, token)
        elif token not in "([{)]}":
            state = _enter(token, language)
        yield token, match.start(), was, state


@lru_cache(maxsize=64)
def state_at(before: str, language_id: str) -> str:
    """The state at the end of `before`, which may begin anywhere in a document, even inside a long string."""
    language = language_of(language_id)
    if not language.triple or not _TRIPLE.search(before):
        return unpaired(before, language_id).state
    snippets = _TRIPLE.split(before)
    outside = sum(len(_CODE_LINE.findall(snippet)) for snippet in snippets[::2])
    inside = sum(len(_CODE_LINE.findall(snippet)) for snippet in snippets[1::2])
    if inside > outside:  # what looks like strings is code, so the text begins inside a string
        return unpaired(before, language_id, _TRIPLE.findall(before)[0]).state
    return unpaired(before, language_id).state


def _close(token: str, at: int, openers: list[Bracket], closers: list[Bracket]) -> None:
    if openers and openers[-1].char == PAIRS[token]:
        openers.pop()
    else:
        closers.append(Bracket(token, at))


def _enter(token: str, language: Language) -> str:
    if token == "/*":
        return BLOCK_COMMENT
    if token == language.line_comment:
        return LINE_COMMENT
    return token if token[0] in language.quotes else ""


def _leave(state: str, token: str) -> str:
    """The state after `token` was read in `state`."""
    if state == BLOCK_COMMENT:
        return "" if token == "*/" else state
    if state == LINE_COMMENT:
        return "" if token == "\n" else state
    if token == state:
        return ""
    # An unclosed quote ends with its line, except for those that may span lines.
    return "" if token == "\n" and len(state) == 1 and state != "`" else state


@lru_cache(maxsize=64)
def _pattern(language: Language) -> re.Pattern[str]:
    parts = [r"\\.", r"\n"]
    if language.slashes:
        parts.append(_EXPRESSION)
    if language.triple:
        parts.append("|".join(quote * 3 for quote in language.quotes if quote != "`"))
    if language.block_comments:
        parts.append(r"/\*|\*/")
    if language.line_comment:
        parts.append(re.escape(language.line_comment))
    parts.append(f"[{re.escape(language.quotes)}()\\[\\]{{}}]")
    return re.compile("|".join(parts), re.DOTALL)
