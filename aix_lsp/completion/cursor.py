"""The text around a cursor, and whether a suggestion there may have several lines. All line endings are "\\n"."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from aix_lsp.completion.brackets import BLOCK_COMMENT, LINE_COMMENT, state_at, unpaired
from aix_lsp.completion.text import DocumentSnapshot, Position
from aix_lsp.fim.block import indentation, opens_block
from aix_lsp.fim.closers import only_closers, without_closers, without_leading
from aix_lsp.fim.reading import Lines, read, read_back
from aix_lsp.languages import language_of

SyntacticContext = Literal["code", "parentheses", "comment", "string", "long string", "prose"]
Multiline = Literal["auto", "always", "never"]

BEFORE = 4096
AFTER = 2048
NEAR_BEFORE = 256
"""Two positions are the same if this many characters before them are; fewer at a document's start."""
NEAR_AFTER = 64
_LINES_SCANNED = 64
"""How many lines in each direction are examined for their endings."""


@dataclass(frozen=True, slots=True)
class CursorContext:
    """The text around a cursor: at most `BEFORE` characters left of it and `AFTER` right of it."""

    uri: str
    language: str
    before: str
    after: str
    ending: str = "\n"
    """The document's line ending around the cursor."""
    placeholders: tuple[str, ...] = ()
    """The placeholders for secrets in the prompt."""

    @classmethod
    def of(cls, document: DocumentSnapshot, position: Position) -> CursorContext:
        """The text around `position`, a valid one of `document`."""
        text = document.text
        return cls(
            document.uri,
            document.language,
            read_back(text, position, BEFORE),
            read(text, position, text.line_count, AFTER),
            line_ending(text, position.line),
        )

    @property
    def line_before(self) -> str:
        """The cursor's line, left of the cursor."""
        return self.before[self.before.rfind("\n") + 1 :]

    @property
    def line_after(self) -> str:
        """The cursor's line, right of the cursor."""
        return self.after.partition("\n")[0]

    @property
    def in_mid_line(self) -> bool:
        """Whether code continues right of the cursor: more than closing punctuation or a comment."""
        rest = self.line_after
        comment = language_of(self.language).line_comment
        if comment and rest.lstrip().startswith(comment):
            return False
        return not only_closers(rest)

    @property
    def in_word(self) -> bool:
        """Whether the cursor is inside a word."""
        return _is_word(self.before[-1:]) and _is_word(self.after[:1])

    @property
    def word_before(self) -> str:
        """The part of a word that ends at the cursor."""
        line = self.line_before
        start = len(line)
        while start and _is_word(line[start - 1]):
            start -= 1
        return line[start:]

    def line_below(self) -> str:
        """The nearest non-blank line below the cursor's; empty if there is none."""
        return next(filter(str.strip, self.after.split("\n")[1:]), "")

    def line_above(self) -> str:
        """The nearest non-blank line above the cursor's; empty if there is none."""
        above = self.before[: self.before.rfind("\n") + 1].rstrip()
        return above[above.rfind("\n") + 1 :]


def _is_word(char: str) -> bool:
    return char.isalnum() or char == "_"


def syntactic_context(cursor: CursorContext) -> SyntacticContext:
    """The innermost syntactic context; "parentheses" are those of a call, a signature or a condition.

    A "long string" may span lines, as docstrings do.
    """
    if language_of(cursor.language).prose:
        return "prose"
    state = state_at(cursor.before, cursor.language)
    if state in (LINE_COMMENT, BLOCK_COMMENT):
        return "comment"
    if state:
        return "long string" if len(state) > 1 or state == "`" else "string"
    openers = unpaired(cursor.before, cursor.language).openers
    return "parentheses" if openers and openers[-1].char == "(" else "code"


def is_multiline(cursor: CursorContext, setting: Multiline, invoked: bool = False) -> bool:
    """Whether a suggestion may have several lines; an invoked request asks for more than the rest of the line."""
    if setting == "never" or cursor.in_mid_line:
        return False
    if setting == "always":
        return True
    line, rest = cursor.line_before, cursor.line_after.strip()
    if rest and not _between_block_brackets(line, rest):
        return False
    if line.strip() and not opens_block(line, language_of(cursor.language)):
        return invoked
    return not _body_below(cursor) and (invoked or syntactic_context(cursor) == "code")


def _body_below(cursor: CursorContext) -> bool:
    """Whether the next line is indented deeper: a block generated above it might not end before that line."""
    return indentation(cursor.line_below()) > indentation(cursor.line_before)


def _between_block_brackets(line: str, rest: str) -> bool:
    """Whether the cursor is between brackets whose closing one an editor added when the block was opened."""
    return line.rstrip().endswith("{") and rest.startswith("}")


def near_after(after: str) -> str:
    """The text right of a cursor that must be the same for a position to be the same, without an editor's closers."""
    return without_closers(after[: 2 * NEAR_AFTER])[:NEAR_AFTER]


def near_after_forms(after: str) -> list[str]:
    """`near_after`, and its value before the editor paired a bracket in mid-line; the most likely first."""
    near = after[: 2 * NEAR_AFTER]
    return list(dict.fromkeys(map(near_after, (near, *without_leading(near)))))


def line_ending(text: Lines, near: int) -> str:
    """The line ending in use around line `near`: "\\n", "\\r\\n" or "\\r"; "\\n" for a single line."""
    start = max(0, near - _LINES_SCANNED)
    counts = {"\n": 0, "\r\n": 0, "\r": 0}
    for line in text.lines(start, near + _LINES_SCANNED):
        ending = line[-2:] if line.endswith("\r\n") else line[-1:]
        if ending in counts:
            counts[ending] += 1
    return max(counts, key=lambda ending: counts[ending])


def with_ending(string: str, ending: str) -> str:
    """`string`, which has "\\n" endings, with `ending` instead."""
    return string if ending == "\n" else string.replace("\n", ending)
