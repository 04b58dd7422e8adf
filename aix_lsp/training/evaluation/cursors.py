"""The cursors at which models are compared: places in held-out documents, drawn reproducibly."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal

from aix_lsp.fim.prompt import FimPrompt
from aix_lsp.training.corpus import Document
from aix_lsp.training.spans import block_span, line_end

Kind = Literal["mid-word", "after a sign", "line start", "in brackets", "block"]

PREFIX_CHARACTERS, SUFFIX_CHARACTERS = 2400, 800
_WORD = re.compile(r"\w")


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in a document, and the original text there, [start, end): the rest of a line or of a bracket, or a
    block's body."""

    document: Document
    kind: Kind
    start: int
    end: int

    @property
    def wanted(self) -> str:
        """The text that the model should write."""
        return self.document.text[self.start : self.end]

    def prompt(self, suffix: bool = True) -> FimPrompt:
        """The prompt, about as large as the server's windows; without `suffix`, nothing after the cursor."""
        text = self.document.text
        left = max(0, self.start - PREFIX_CHARACTERS)
        left = text.rfind("\n", 0, left) + 1 if left else 0
        return FimPrompt(
            text[left : self.start],
            text[self.end : self.end + SUFFIX_CHARACTERS] if suffix else "",
            path=self.document.path,
            language=self.document.language,
        )


def lines(documents: Sequence[Document], count: int, seed: int = 0) -> list[Cursor]:
    """`count` cursors in lines of code, at most one per line, spread evenly over the packages."""
    rng = Random(seed)
    found: list[Cursor] = []
    while len(found) < count:
        text = (document := draw(rng, documents)).text
        place = rng.randrange(len(text))
        start = text.rfind("\n", 0, place) + 1
        line = text[start : line_end(text, place)]
        if not is_code(line) or len(line) > 160:
            continue
        first = start + len(line) - len(line.lstrip())
        cursor = first if rng.random() < 0.2 else rng.randrange(first, start + len(line.rstrip()))
        found.append(Cursor(document, _kind(text, first, cursor), cursor, start + len(line.rstrip())))
    return found


def blocks(documents: Sequence[Document], count: int, seed: int = 0) -> list[Cursor]:
    """`count` bodies of two to six lines below a line that opens a block."""
    rng = Random(seed)
    found: list[Cursor] = []
    for _ in range(count * 400):
        if len(found) == count:
            break
        text = (document := draw(rng, documents)).text
        span = block_span(text, rng.randrange(len(text)))
        if span is None or not 2 <= text[slice(*span)].strip().count("\n") + 1 <= 6:
            continue
        head = text[text.rfind("\n", 0, span[0]) + 1 : span[0]]
        if head.rstrip().endswith((":", "{", ")", "=>")):
            found.append(Cursor(document, "block", *span))
    return found


def of_language(documents: Iterable[Document], *languages: str) -> list[Document]:
    """The documents in some languages that are long enough for a cursor."""
    return [d for d in documents if d.language in languages and len(d.text) > 400]


def draw(rng: Random, documents: Sequence[Document]) -> Document:
    """A document from a package drawn first, so that packages with many files do not dominate the result."""
    packages = sorted({d.package for d in documents})
    package = rng.choice(packages)
    return rng.choice([d for d in documents if d.package == package])


def is_code(line: str) -> bool:
    """Whether a line has code, rather than only a comment or a bracket."""
    stripped = line.strip()
    return len(stripped) > 3 and not stripped.startswith(("#", "//", "*", "/*", '"""'))


def _kind(text: str, first: int, cursor: int) -> Kind:
    if cursor == first:
        return "line start"
    inside = _WORD.match(text[cursor - 1]) and _WORD.match(text[cursor : cursor + 1])
    return "mid-word" if inside else "after a sign"
