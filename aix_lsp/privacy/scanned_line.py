"""One line, scanned for secrets: where its strings are, which names it has, and where the user is typing. Pure."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from enum import IntEnum
from functools import cached_property
from itertools import islice
from typing import Literal

from aix_lsp.privacy.judgement import Level, is_secret
from aix_lsp.privacy.secret_kinds import NAMES
from aix_lsp.privacy.telling_words import evidence_in

Span = tuple[int, int]


class Style(IntEnum):
    """How values are written in a language."""

    QUOTED = 0
    """In quotes, as in most programming languages."""
    PROSE = 1
    """Prose, where some values are unquoted."""
    LITERAL = 2
    """Unquoted: YAML, .env, shell."""


_QUOTES = re.compile(r"\\.|[\"'`]")
_LONGEST_STRING = 2048
MOST_NAMES = 128
"""Names of secrets in one part of a line. One with more is not code, and is replaced from there on."""


class ScannedLine:
    """A line, or part of one, and what its search has found out about the next line."""

    def __init__(self, text: str, style: Style, cursor: int = -1, command: bool = False) -> None:
        """`cursor`: the column where the user is typing, or -1.

        `command`: the line continues a command that began on the line before.
        """
        self.text = text
        self.literal = style is Style.LITERAL
        self.prose = style is Style.PROSE
        self.cursor = cursor
        self.command = command
        self.waits: Level | None = None
        """The level of a name at the line's end whose value is on the next line."""
        self.waits_for: Literal["value", "map", "text"] = "value"
        """What is on the next line: a value, a mapping with values, or an unquoted text."""

    @cached_property
    def lower(self) -> str:
        return self.text.lower()

    @cached_property
    def evidence(self) -> int:
        """What the line may contain, to judge by its words: bits of Evidence."""
        return evidence_in(self.text)

    @cached_property
    def names(self) -> list[re.Match[str]]:
        """The first names of secrets, at most MOST_NAMES + 1."""
        return [*islice(NAMES.finditer(self.text), MOST_NAMES + 1)]

    def is_typed(self, start: int, end: int) -> bool:
        """Whether the user is typing in a span, or at its end."""
        return start <= self.cursor <= end

    def string(self, start: int, quote: str) -> tuple[int, int, bool]:
        """(start, end, whether it is closed) of a string; an unclosed one ends with the line."""
        at, limit = start, min(len(self.text), start + _LONGEST_STRING)
        while at < limit:
            if self.text.startswith(quote, at):
                return start, at, True
            at += 2 if self.text[at] == "\\" else 1
        return start, min(at, len(self.text)), False

    def is_open(self, start: int, end: int, closed: bool) -> bool:
        """Whether a string is being typed."""
        return self.is_typed(start, end) or (not closed and end == len(self.text) and self.cursor == end)

    def secret(
        self, start: int, end: int, level: Level, *, literal: bool = False, closed: bool = True
    ) -> Iterator[Span]:
        """The span, if what it holds is a secret (judgement.is_secret); `closed` is as `string` returns it."""
        open_end = self.is_open(start, end, closed)
        if is_secret(self.text[start:end], level, literal=literal, open_end=open_end):
            yield start, end

    def in_string(self, at: int) -> bool:
        """Whether a column is inside a string."""
        return bool(bisect_right(self._borders, at) % 2)

    @cached_property
    def _borders(self) -> list[int]:
        """The columns where strings begin and end, alternately."""
        borders: list[int] = []
        quote = ""
        for match in _QUOTES.finditer(self.text):
            char = match[0]
            if not quote and char in "\"'`":
                if char == "'" and self.text[match.start() - 1 : match.start()].isalnum():
                    continue  # an apostrophe
                quote = char
                borders.append(match.end())
            elif char == quote:
                quote = ""
                borders.append(match.start() + 1)
        return borders
