"""What is wrong with a suggestion as it would stand in the file: text doubled, brackets, syntax. Pure.

Brackets and syntax are read by tree-sitter, which knows strings and comments; ours are not used to judge ourselves.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import tree_sitter
import tree_sitter_javascript
import tree_sitter_python
import tree_sitter_typescript

_OPENS = {")": "(", "]": "[", "}": "{"}


@dataclass(frozen=True)
class Flaws:
    """Of one suggestion that is not right as a whole; one that is has none."""

    doubled: bool = False
    """It ends with what stands right of it, or repeats the line below."""
    brackets: bool = False
    """It closes what is not open, or leaves open what it opened within the line."""
    broken: bool = False
    """The file has more syntax errors with it than without."""


def flaws(before: str, offer: str, after: str, language: str, replaced: str = "") -> Flaws:
    """The flaws of `offer` between `before` and `after`, `replaced` being what it takes the place of."""
    doubled = doubles(offer, after)
    old, new = _survey(before + replaced + after, language), _survey(before + offer + after, language)
    opened = new.open > old.open and not offer.rstrip().endswith(("(", "[", "{"))
    return Flaws(doubled, new.stray > old.stray or opened, new.errors > old.errors)


def doubles(offer: str, after: str) -> bool:
    """Whether the end of an offer is what follows it: the line's rest, or the line below."""
    rest, _, below = after.partition("\n")
    lines = [line.strip() for line in offer.split("\n") if line.strip()]
    if not lines:
        return False
    if any(char.isalnum() for char in rest):
        return lines[-1].endswith(rest.strip())
    next_line = next((line.strip() for line in below.split("\n") if line.strip()), "")
    return any(char.isalnum() for char in next_line) and next_line in lines


@dataclass(frozen=True)
class _Survey:
    open: int
    stray: int
    errors: int


def _survey(text: str, language: str) -> _Survey:
    """Brackets left open, brackets that close nothing, and syntax errors."""
    parser = _parser(language)
    stack: list[str] = []
    stray = errors = 0
    for node in _nodes(parser.parse(text.encode("utf-8", "replace"))):
        errors += node.is_error or node.is_missing
        if node.child_count or node.is_missing:
            continue
        kind = node.type
        if kind in ("(", "[", "{"):
            stack.append(kind)
        elif kind == "${":
            stack.append("{")
        elif kind in _OPENS:
            if stack and stack[-1] == _OPENS[kind]:
                stack.pop()
            else:
                stray += 1
    return _Survey(len(stack), stray, errors)


def _nodes(tree: tree_sitter.Tree) -> Iterator[tree_sitter.Node]:
    """All nodes in the order of the text."""
    cursor = tree.walk()
    while True:
        assert cursor.node is not None
        yield cursor.node
        if cursor.goto_first_child() or cursor.goto_next_sibling():
            continue
        while cursor.goto_parent():
            if cursor.goto_next_sibling():
                break
        else:
            return


@cache
def _parser(language: str) -> tree_sitter.Parser:
    grammars = {
        "python": tree_sitter_python.language,
        "javascript": tree_sitter_javascript.language,
        "typescript": tree_sitter_typescript.language_typescript,
    }
    return tree_sitter.Parser(tree_sitter.Language(grammars[language]()))
