"""What stands around a cursor, as filters, reuse and generations look at it. All line endings are "\\n"."""

from __future__ import annotations

from dataclasses import dataclass

from aix_lsp.completion.document import DocumentSnapshot, Position
from aix_lsp.completion.line_endings import line_ending
from aix_lsp.fim.closers import only_closers
from aix_lsp.fim.reading import read, read_back
from aix_lsp.languages import language_of

BEFORE = 4096
AFTER = 2048


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
    """What stands in the prompt in place of secrets."""

    @classmethod
    def of(cls, document: DocumentSnapshot, position: Position) -> CursorContext:
        """The scene at `cursor`, a valid position of `document`."""
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
        """Whether code goes on right of the cursor: more than closing punctuation or a comment."""
        rest = self.line_after
        comment = language_of(self.language).line_comment
        if comment and rest.lstrip().startswith(comment):
            return False
        return not only_closers(rest)

    @property
    def in_word(self) -> bool:
        """Whether the cursor parts a word."""
        return _is_word(self.before[-1:]) and _is_word(self.after[:1])

    @property
    def word_before(self) -> str:
        """The part of a word that ends at the cursor."""
        line = self.line_before
        start = len(line)
        while start and _is_word(line[start - 1]):
            start -= 1
        return line[start:]

    def lines_below(self, count: int = 3) -> list[str]:
        """The first lines below the cursor's that are not blank."""
        below = self.after.partition("\n")[2]
        return [line for line in below.split("\n") if line.strip()][:count]

    def line_above(self) -> str:
        """The nearest line above the cursor's that is not blank; empty where there is none."""
        above = self.before[: self.before.rfind("\n") + 1].rstrip()
        return above[above.rfind("\n") + 1 :]


def _is_word(char: str) -> bool:
    return char.isalnum() or char == "_"
