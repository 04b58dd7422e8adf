"""From tokens' bytes to text that may be shown: whole characters, up to a stop. Knows no tokens and no
model.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Sequence
from typing import Protocol


class Characters:
    """Turns bytes into text as they come and never cuts a character; bytes that are no UTF-8 become
    U+FFFD.
    """

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def feed(self, data: bytes) -> str:
        """The characters that are complete now."""
        return self._decoder.decode(data)


class Stop(Protocol):
    """Lets text through until generation has to end."""

    def feed(self, text: str) -> tuple[str, bool]:
        """(text that may be shown, whether generation ends after it). May keep text back until it is sure."""
        ...

    def flush(self) -> str:
        """What was kept back, where generation ends for another reason and it may be shown after all."""
        ...


class StopStrings:
    """Ends before the first of some strings; of none of them ever shows a part."""

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = tuple(stop for stop in stops if stop)
        self._any = re.compile("|".join(map(re.escape, self._stops)))
        heads = {stop[:length] for stop in self._stops for length in range(1, len(stop))}
        self._heads = tuple(sorted(heads, key=len, reverse=True))
        self._kept = ""

    def feed(self, text: str) -> tuple[str, bool]:
        """See Stop."""
        if not self._stops:
            return text, False
        text = self._kept + text
        found = self._any.search(text)
        if found:
            self._kept = ""
            return text[: found.start()], True
        keep = self._possible(text)
        self._kept = text[len(text) - keep :]
        return text[: len(text) - keep], False

    def _possible(self, text: str) -> int:
        """How many characters at the end may be the beginning of a stop string."""
        if not text.endswith(self._heads):
            return 0
        return next(len(head) for head in self._heads if text.endswith(head))

    def flush(self) -> str:
        """See Stop."""
        kept, self._kept = self._kept, ""
        return kept


class LineEnd:
    """Ends with the line: before the first line break, or where the cursor stands at the end of its line,
    before the first that follows visible text, so that a suggestion may also be the next line.
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
