"""Passes text on up to a stop. Knows no tokens or models."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Protocol


class Stop(Protocol):
    """Passes text on until generation has to end."""

    def feed(self, text: str) -> tuple[str, bool]:
        """(text that may be shown, whether generation ends after it). May hold text back until it is certain."""
        ...

    def flush(self) -> str:
        """The text held back, if generation ends for another reason and it may be shown."""
        ...


class StopStrings:
    """Ends before the first occurrence of any of some strings, and never shows a part of one.

    Each string is matched character by character with its failure function (Knuth, Morris and Pratt 1977), so the work
    is linear in the text, whatever the strings.
    """

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = [(stop, _failures(stop)) for stop in stops if stop]
        self._matched = [0] * len(self._stops)
        """How many characters of each string the text currently ends with."""
        self._first = frozenset(stop[0] for stop, _ in self._stops)
        self._kept = ""

    def feed(self, text: str) -> tuple[str, bool]:
        """See Stop."""
        if not self._kept and self._first.isdisjoint(text):
            return text, False  # no stop string has begun, and none begins here
        whole = self._kept + text
        for end, character in enumerate(text, len(self._kept) + 1):
            longest = 0
            for at, (stop, failures) in enumerate(self._stops):
                matched = self._matched[at]
                while matched and stop[matched] != character:
                    matched = failures[matched - 1]
                self._matched[at] = matched = matched + (stop[matched] == character)
                if matched == len(stop):
                    longest = max(longest, matched)
            if longest:
                self._kept = ""
                return whole[: end - longest], True
        shown = len(whole) - max(self._matched)
        self._kept = whole[shown:]
        return whole[:shown], False

    def flush(self) -> str:
        """See Stop."""
        kept, self._kept = self._kept, ""
        return kept


def _failures(stop: str) -> list[int]:
    """For each prefix of `stop`, the length of its longest proper prefix that is also its suffix."""
    found = [0] * len(stop)
    matched = 0
    for at in range(1, len(stop)):
        while matched and stop[at] != stop[matched]:
            matched = found[matched - 1]
        matched += stop[at] == stop[matched]
        found[at] = matched
    return found


class LineEnd:
    """Ends at a line break: the first one or, if the cursor is at the end of its line, the first after visible text, so
    that a suggestion may also be the next line.
    """

    def __init__(self, at_line_end: bool) -> None:
        self._seen = not at_line_end
        self._kept = ""

    def feed(self, text: str) -> tuple[str, bool]:
        """See Stop."""
        text = self._kept + text
        self._kept = ""
        start = 0
        while not self._seen:
            visible = len(text) - len(text.lstrip())
            if visible == len(text):
                self._kept = text
                return "", False
            self._seen, start = True, visible
        end = re.search(r"[\r\n]", text[start:])
        if end:
            return text[: start + end.start()], True
        return text, False

    def flush(self) -> str:
        """See Stop. Blanks alone are not worth showing."""
        self._kept = ""
        return ""
