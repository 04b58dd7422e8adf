"""Finds where blocks of code begin and end, by their lines and indentation. Pure.

The engine uses it to end generations, and the server to end suggestions.

If the cursor's line has text, its block is what is indented deeper. A closing line at the line's own depth (`}`, `end`)
still belongs to it: it is shown completely and ends the block, unless it opens the next part (`} else {`). If the
cursor's line is blank, its block is the lines that are indented as much as the cursor, up to a blank line, or up to and
including the first statement with a block of its own.
"""

from __future__ import annotations

import re
from enum import Enum, auto

from aix_lsp.languages import Block, Language

_TAB = 4
_CLOSING_WORDS = ("end", "done", "fi", "esac", "endif", "endfunction", "endwhile", "endfor")
_NEXT_WORDS = (
    "else",
    "elif",
    "elsif",
    "elseif",
    "except",
    "finally",
    "catch",
    "rescue",
    "ensure",
    "case",
    "default",
    "when",
)
_CLOSES = re.compile(rf"[)\]}}]|</|(?:{'|'.join(_CLOSING_WORDS)})\b")
_CONTINUES = re.compile(
    rf"(?:{'|'.join(_NEXT_WORDS)})\b|[)\]}}]+\s*(?:else|catch|finally|while|then|until|or|and)\b"
)
_CLOSES_ONLY = re.compile(rf"(?:[)\]}}]+[;,.]*|{'|'.join(_CLOSING_WORDS)}|</\w*>?)\s*$")
_OPENERS: dict[Block, re.Pattern[str]] = {
    "colon": re.compile(r"(:|[(\[{]|\\)\s*(#.*)?$"),
    "brace": re.compile(r"([{(\[]|=>|->)\s*(//.*)?$"),
    "end": re.compile(
        r"(\b(do|then|else|begin|def|function|class|module|repeat|loop|of|is)\b[^#\n]*|[{(\[])$"
    ),
}
_OPENS = re.compile(r"(?:[{(\[:,]|\bdo|\bthen|=>|\|)\s*$")
_BREAK = re.compile(r"\r\n?|\n")
_MOST_COLUMNS = 1000
"""How many characters at a line's end are examined, since searching for openers takes quadratic time."""


def indentation(line: str) -> int:
    """The number of columns before a line's text; a tab goes to the next multiple of four."""
    return len(line[: len(line) - len(line.lstrip(" \t"))].expandtabs(_TAB))


def opens_block(line: str, language: Language) -> bool:
    """Whether deeper lines are expected to follow `line` (its part left of the cursor)."""
    return _OPENERS[language.block].search(line.rstrip()[-_MOST_COLUMNS:]) is not None


def closes_block(line: str) -> bool:
    """Whether `line` contains nothing but the end of a block."""
    return _CLOSES_ONLY.match(line.strip()) is not None


class _Side(Enum):
    """A line's position in relation to the block."""

    INSIDE = auto()
    CLOSING = auto()
    OUTSIDE = auto()
    UNSURE = auto()


class BlockEnd:
    """Ends a text where it leaves the cursor's block; `line_head` is the cursor's line up to the cursor.

    With `siblings`, lines that are no deeper than a statement on the cursor's line may follow it.
    """

    def __init__(self, line_head: str, siblings: bool = False) -> None:
        self._head = line_head
        self._blank_head = not line_head.strip()
        self._siblings = siblings or self._blank_head
        self._depth = indentation(line_head)
        self._opened = False
        self._gap = False
        self._text = ""
        self._line = 0
        self._good = 0
        self._shown = 0
        self._first = True
        self._flowing = False
        """Whether everything until the next line break may be shown."""

    def feed(self, text: str) -> tuple[str, bool]:
        """See Stop."""
        self._text += text
        if self._flowing and "\n" not in text and "\r" not in text:
            self._good = self._shown = len(self._text)
            return text, False
        self._flowing = False
        stopped = False
        while not stopped:
            end = _BREAK.search(self._text, self._line)
            # A lone \r at the end may be the first half of \r\n.
            complete = end is not None and (end.end() < len(self._text) or end[0] != "\r")
            line = self._text[self._line : end.start() if end else None]
            stopped = self._judge(line, complete)
            if stopped or not complete or end is None:
                self._flowing = self._flowing and end is None
                break
            self._line = end.end()
        shown = self._text[self._shown : self._good]
        self._shown = max(self._shown, self._good)
        return shown, stopped

    def _judge(self, line: str, complete: bool) -> bool:
        """Advance over one line as far as it may be shown. True if the block ends here."""
        if self._first:
            self._good = self._line + len(line)
            self._flowing = not complete
            if complete:
                self._leave_first(self._head + line)
            return False
        if not line.strip():
            self._gap = self._gap or complete
            return False
        place = self._place(line, complete)
        if place is _Side.OUTSIDE:
            return True
        if place is not _Side.UNSURE:
            self._good = self._line + len(line)
            self._flowing = place is _Side.INSIDE and not complete
        if complete:
            self._gap = False
        return complete and place is _Side.CLOSING and not self._goes_on(line.strip())

    def _leave_first(self, line: str) -> None:
        self._first = False
        self._opened = bool(_OPENS.search(line))
        if self._blank_head and line.strip():
            # The model itself may indent the first line of the block.
            self._depth = max(self._depth, indentation(line))

    def _place(self, line: str, complete: bool) -> _Side:
        depth = indentation(line)
        if depth > self._depth:
            self._opened = True
            return _Side.INSIDE
        if depth < self._depth:
            return _Side.OUTSIDE
        if not self._opened:
            return _Side.INSIDE if self._siblings and not self._gap else _Side.OUTSIDE
        words = line.strip()
        if not complete and any(word.startswith(words) for word in _CLOSING_WORDS + _NEXT_WORDS):
            return _Side.UNSURE
        return _Side.CLOSING if _CLOSES.match(words) or _CONTINUES.match(words) else _Side.OUTSIDE

    @staticmethod
    def _goes_on(words: str) -> bool:
        return bool(_CONTINUES.match(words) or _OPENS.search(words))

    def flush(self) -> str:
        """See Stop. Trailing line breaks and spaces are not shown."""
        return ""
