"""Closers right of the cursor are replaced, not doubled, by those that a suggestion brings."""

from __future__ import annotations

from typing import NamedTuple

from aix_lsp.completion.brackets import Bracket, Unpaired, state_at, unpaired
from aix_lsp.completion.cursor import CursorContext
from aix_lsp.fim.closers import only_closers

_PUNCTUATION = ";:,."


class Fitted(NamedTuple):
    """A suggestion's text and how many characters right of the cursor it takes the place of."""

    text: str
    replace_right: int = 0


def fit(text: str, cursor: CursorContext) -> Fitted:
    """Fit a suggestion to the rest of the cursor's line. Brackets in strings and comments don't count."""
    rest = cursor.line_after.rstrip()
    if not rest or not text:
        return Fitted(text)
    state = state_at(cursor.before, cursor.language)
    found = unpaired(text, cursor.language, state)
    excess = _excess(found, cursor, rest)
    if not only_closers(rest):
        return Fitted(_without_excess(text, found, rest, excess))
    taken, last = _replaced(text, found, rest, excess)
    if "\n" in text and rest[taken:].strip() and "\n" in text[last:]:
        # What is left of the line's rest would land behind the last line.
        end = text.find("\n", last)
        text = text[:end] if taken or not _inside(cursor, rest) else text
    return Fitted(text, taken)


def _excess(found: Unpaired, cursor: CursorContext, rest: str) -> int:
    """How many closers too many the line would have with all of the suggestion's and the rest's."""
    left = unpaired(cursor.line_before, cursor.language)
    opened = len(left.openers) + left.in_string
    right = unpaired(rest, cursor.language, left.state if left.in_string else "")
    return len(found.closers) + len(right.closers) - opened


def _without_excess(text: str, found: Unpaired, rest: str, excess: int) -> str:
    """In mid-line: end before the first closer that the rest brings too."""
    count = min(excess, len(found.closers))
    if count <= 0:
        return text
    first = found.closers[-count]
    return text[: first.at] if rest.lstrip().startswith(first.char) else text


def _replaced(text: str, found: Unpaired, rest: str, excess: int) -> tuple[int, int]:
    """How much of the rest the suggestion holds in order, and where in the suggestion that ends."""
    candidates = _candidates(text, found)
    taken = last = closers = position = 0
    for index, char in enumerate(rest):
        if char.isspace():
            continue
        bracket = char not in _PUNCTUATION
        if bracket and closers >= excess:
            break
        match = next((at for at in range(position, len(candidates)) if candidates[at].char[0] == char), None)
        if match is None:
            break
        closers += bracket
        position = match + 1
        last = candidates[match].at + 1
        taken = index + 1
    return taken, last


def _candidates(text: str, found: Unpaired) -> list[Bracket]:
    """The suggestion's own closers, and punctuation that follows one or ends the text."""
    result = list(found.closers)
    ends = [closer.at + len(closer.char) for closer in found.closers]
    for at, char in enumerate(text):
        if char in _PUNCTUATION and (at in ends or at == len(text) - 1):
            result.append(Bracket(char, at))
            ends.append(at + 1)
    return sorted(result, key=lambda bracket: bracket.at)


def _inside(cursor: CursorContext, rest: str) -> bool:
    """Whether the cursor stands between brackets that the rest closes."""
    return bool(unpaired(cursor.line_before, cursor.language).openers) and rest.lstrip()[:1] in ")]}"
