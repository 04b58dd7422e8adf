"""Chooses the snippets of other files that go into a prompt. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

Source = Literal["imports", "siblings", "definitions", "similar", "recent", "clipboard"]
SOURCES: tuple[Source, ...] = get_args(Source)
"""All sources, sorted by how much their results change while the user works in a file, the steadiest first."""

WEIGHTS: dict[Source, float] = {
    "similar": 1.0,
    "clipboard": 1.0,
    "recent": 0.8,
    "imports": 0.7,
    "definitions": 0.5,
    "siblings": 0.3,
}
"""How much the best snippet of a source is worth. Chosen by `python -m benchmarks.context_coverage`, whose result
depends little on them as long as similar code comes first, with a few signatures added."""
_FADES = 0.8
"""A snippet is worth this share of the one before it in its source."""
_PARROTS = 0.5
"""A snippet with a larger share of its lines in the text at the cursor would make the model repeat that text."""
_ALIKE = 0.7
"""A snippet with a larger share of its lines in those chosen before it adds nothing new."""
_TELLING = 4
"""Characters of a line that carries information; closing brackets do not."""
_HEADER = 40
"""Characters that a path and its markers take, about."""


@dataclass(frozen=True, slots=True)
class Snippet:
    """Some lines of a file, either code or signatures only."""

    source: Source
    path: str
    """The path that the model sees: relative to the workspace folder, never absolute."""
    text: str
    uri: str = ""
    """The file it comes from; empty if it does not come from a file."""
    rank: int = 0
    """Its rank among the source's results, 0 for the best."""
    placeholders: tuple[str, ...] = ()
    """The placeholders for its secrets, if they are known."""


def choose(snippets: Iterable[Snippet], window: str, budget: int) -> list[Snippet]:
    """The most valuable snippets within `budget` characters; those that change least come first.

    `window` is the part of the document that is in the prompt.
    """
    here, told = _lines(window), set[str]()
    chosen: list[Snippet] = []
    for snippet in sorted(snippets, key=_worth, reverse=True):
        lines = _lines(snippet.text)
        if size(snippet) > budget or not lines:
            continue
        if _share(lines, here) > _PARROTS or _share(lines, told) > _ALIKE:
            continue
        chosen.append(snippet)
        told |= lines
        budget -= size(snippet)
    return sorted(chosen, key=lambda snippet: (SOURCES.index(snippet.source), -snippet.rank))


def keep(kept: Sequence[Snippet], chosen: Sequence[Snippet], budget: int) -> tuple[Snippet, ...]:
    """The snippets of the next prompt: those of the last one, followed by new ones, so that most of them are cached.

    If those exceed `budget` characters, all that were not chosen again are dropped at once.
    """
    known = {snippet.text for snippet in kept}
    new = [snippet for snippet in chosen if snippet.text not in known]
    if sum(map(size, (*kept, *new))) <= budget:
        return (*kept, *new)
    wanted = {snippet.text for snippet in chosen}
    return (*(snippet for snippet in kept if snippet.text in wanted), *new)


def size(snippet: Snippet) -> int:
    """The number of characters that a snippet takes in a prompt."""
    return len(snippet.text) + len(snippet.path) + _HEADER


def _worth(snippet: Snippet) -> float:
    return WEIGHTS[snippet.source] * _FADES**snippet.rank


def _lines(text: str) -> set[str]:
    return {line for line in map(str.strip, text.split("\n")) if len(line) >= _TELLING}


def _share(lines: set[str], others: set[str]) -> float:
    return len(lines & others) / len(lines)
