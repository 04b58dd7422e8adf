"""Finds flaws of a suggestion once it is in the file: repeated text, brackets, syntax. Pure.

Brackets and syntax are parsed by tree-sitter, which knows strings and comments, rather than by our own code, which is
under test.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import tree_sitter

from aix_lsp.grammars import grammar

_CLOSED = {")": "(", "]": "[", "}": "{"}
_BRACKETS = "([{)]}"
_LONG_QUOTES = ('"' * 3, "'" * 3)


@dataclass(frozen=True)
class Flaws:
    """The flaws of a suggestion that is not entirely right; one that is has none."""

    doubled: bool = False
    """It ends with the text to the right of it, or repeats the line below."""
    brackets: bool = False
    """It closes what is not open or is already closed further right, or opens a bracket in the middle of a line."""
    broken: bool = False
    """The file has more syntax errors with it than without."""


def flaws(before: str, offer: str, after: str, language: str, replaced: str = "") -> Flaws:
    """The flaws of `offer` between `before` and `after`, where it replaces `replaced`."""
    old = _read(before + replaced + after, language)
    new = _read(before + offer + after, language)
    start, end = len(before.encode()), len((before + offer).encode())
    fitted = _fits(old.stack(start), old.wanted(start))
    stack, wrong = new.closed(new.stack(start), start, end)
    opens = len(stack) > len(new.stack(start)) and any(char.isalnum() for char in after.partition("\n")[0])
    if any(offer.count(quotes) % 2 for quotes in _LONG_QUOTES):
        fitted = False  # what follows is part of a string until the person closes it
    brackets = wrong or opens or (fitted and not _fits(stack, new.wanted(end)))
    brackets = brackets and _readable(before + replaced + after, language)
    return Flaws(doubles(offer, after), brackets, new.errors > old.errors)


def _readable(text: str, language: str) -> bool:
    """Whether multi-line strings and comments end where they should: if the text still to be typed contains an end, all
    text after it is misread.
    """
    if language == "python":
        return not any(text.count(quotes) % 2 for quotes in _LONG_QUOTES)
    return text.count("/*") == text.count("*/")


def _fits(stack: str, wanted: str) -> bool:
    """Whether the brackets closed further right are open, outermost first."""
    return stack.startswith(wanted)


def doubles(offer: str, after: str) -> bool:
    """Whether an offer ends with what follows it: the rest of the line, or the line below."""
    rest, _, below = after.partition("\n")
    lines = [line.strip() for line in offer.split("\n") if line.strip()]
    if not lines:
        return False
    if any(char.isalnum() for char in rest):
        return lines[-1].endswith(rest.strip())
    next_line = next((line.strip() for line in below.split("\n") if line.strip()), "")
    return any(char.isalnum() for char in next_line) and next_line in lines


@dataclass(frozen=True)
class _Syntax:
    """A text's brackets outside of strings and comments, by byte offset, and its number of syntax errors."""

    brackets: tuple[tuple[int, str], ...]
    errors: int

    def stack(self, end: int) -> str:
        """The brackets open at `end`, outermost first."""
        return self.closed("", 0, end)[0]

    def closed(self, stack: str, start: int, end: int) -> tuple[str, bool]:
        """The brackets open after those from `start` to `end`, and whether one of these closed what was not open."""
        wrong = False
        for place, bracket in self.brackets:
            if not start <= place < end:
                continue
            if bracket in _CLOSED:
                matches = stack[-1:] == _CLOSED[bracket]
                wrong = wrong or not matches
                stack = stack[:-1] if matches else stack
            else:
                stack += bracket
        return stack, wrong

    def wanted(self, start: int) -> str:
        """The opening brackets for what the text from `start` on closes without opening it, outermost first."""
        depth, wanted = 0, ""
        for place, bracket in self.brackets:
            if place < start:
                continue
            if bracket not in _CLOSED:
                depth += 1
            elif depth:
                depth -= 1
            else:
                wanted = _CLOSED[bracket] + wanted
        return wanted


def _read(text: str, language: str) -> _Syntax:
    brackets: list[tuple[int, str]] = []
    errors = 0
    for node in _nodes(_parser(language).parse(text.encode("utf-8", "replace"))):
        errors += node.is_error or node.is_missing
        if (
            not node.child_count
            and not node.is_missing
            and node.type[-1:] in _BRACKETS
            and len(node.type) < 3
        ):
            brackets.append((node.start_byte, node.type[-1]))
    return _Syntax(tuple(brackets), errors)


def _nodes(tree: tree_sitter.Tree) -> Iterator[tree_sitter.Node]:
    """All nodes in text order."""
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
    found = grammar(language)
    assert found is not None
    return tree_sitter.Parser(found)
