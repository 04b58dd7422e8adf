"""Balances a suggestion's brackets: ends it before unmatched ones, and replaces closers right of the cursor."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from aix_lsp.completion.brackets import PAIRS, Bracket, Unpaired, brackets, state_at, unpaired
from aix_lsp.completion.cursor import AFTER, BEFORE, CursorContext
from aix_lsp.completion.postprocess import Cut
from aix_lsp.fim.block import indentation
from aix_lsp.fim.closers import only_closers, without_closers

_AT_ITS_OPENER = re.compile(r"[)\]}]|(?:case|default|public|private|protected|else|elif|except|end)\b|#")
"""Lines of a block that may be indented as deep as the line that opened it."""
_FLAT = re.compile(r"\s*(?:namespace|extern)\b")
"""Lines that open blocks in which nothing is indented."""
_LINES_TO_OPEN = 2
"""If a line closes what is also closed further right (`} else {`), another must be opened within so many lines."""

_PUNCTUATION = ";:,."


def balance(text: str, cursor: CursorContext, done: bool) -> Cut:
    """Keep the text before the first unmatched closer and, in mid-line, before a bracket or string left open.

    At a line's end, a suggestion may close what is closed further right, if it soon opens as much again: `} else {`.
    If the rest of the line consists of closers, `fit` handles it.
    """
    state = state_at(cursor.before, cursor.language)
    if (open_ := _open(cursor.before, cursor.after, cursor.language)) is not None:
        found = brackets(text, cursor.language, state)
        end, hopeless = _fits_up_to(text, found, open_, again=not cursor.in_mid_line)
        if end is not None:
            return Cut(text[:end], stop=done or hopeless or _too_late(text[end:]))
    if cursor.in_mid_line:
        left = unpaired(text, cursor.language, state)
        opened = [opener.at for opener in left.openers] + ([] if left.quoted is None else [left.quoted])
        if opened:
            return Cut(text[: min(opened)], stop=done)
    return Cut(text)


class _Open(NamedTuple):
    """The opening brackets left of the cursor that are still open at the cursor, innermost first."""

    free: str
    """Those that nothing right of the cursor closes."""
    taken: str
    """Those that are closed further right, as far as the text is visible."""
    all_seen: bool
    """Whether there are no others beyond the visible text."""


def _fits_up_to(text: str, found: list[Bracket], open_: _Open, again: bool) -> tuple[int | None, bool]:
    """(where the text ceases to fit what is right of it, None if it fits; whether it can never fit again).

    `again` says whether brackets that were closed too often may be opened again.
    """
    around = open_.free + open_.taken
    opened: list[str] = []
    closed, end = "", None
    for bracket in found:
        if bracket.char not in PAIRS:
            opened.append(bracket.char)
        elif opened:
            if opened.pop() != PAIRS[bracket.char]:
                return _first(end, bracket.at), True
        else:
            wanted = around[len(closed) : len(closed) + 1]
            if wanted != PAIRS[bracket.char] and (wanted or open_.all_seen):
                return _first(end, bracket.at), True
            closed += PAIRS[bracket.char]
        owed = closed[len(open_.free) :][::-1]
        fits = "".join(opened[: len(owed)]) == owed
        if not fits and not again:
            return bracket.at, True
        if end is not None and _too_late(text[end : bracket.at]):
            return end, True
        end = None if fits else _first(end, bracket.at)
    return end, False


def _first(end: int | None, at: int) -> int:
    return at if end is None else end


def _too_late(behind: str) -> bool:
    """Whether too many lines have followed a closer for its bracket to be opened again."""
    return sum(bool(line.strip()) for line in behind.split("\n")[1:-1]) >= _LINES_TO_OPEN


@lru_cache(maxsize=64)
def _open(before: str, after: str, language: str) -> _Open | None:
    """What may be closed at the cursor, and what is closed right of it; None if that cannot be determined.

    People who are typing leave the brackets nearest to the cursor open. So the fewest openers left of it are skipped
    that let the others pair with the closers right of it, in kind and in indentation.
    """
    state = state_at(before, language)
    left = unpaired(before, language)
    if left.state != state:  # the text begins inside a string
        return None
    openers = left.openers[::-1]
    right = without_closers(after)
    closers = [each for each in unpaired(right, language, state).closers if each.char in PAIRS]
    kinds = "".join(opener.char for opener in openers)
    all_seen = len(before) < BEFORE and not left.closers
    for free in range(len(openers)):
        rest = openers[free:]
        paired = all(
            _pair(opener, before, closer, right) for opener, closer in zip(rest, closers, strict=False)
        )
        if paired and all(_closed_out_of_sight(opener, before, after) for opener in rest[len(closers) :]):
            return _Open(kinds[:free], kinds[free:], all_seen)
    return _Open(kinds, "", all_seen)


def _closed_out_of_sight(opener: Bracket, before: str, after: str) -> bool:
    """Whether a bracket without a visible partner may have one further right: not if it is on the cursor's line, nor
    if lines follow that are no deeper than the opener's.
    """
    if len(after) < AFTER or opener.at > before.rfind("\n"):
        return False
    head = _line_of(opener, before)
    if _FLAT.match(head):
        return True
    depth = indentation(head)
    for line in after.split("\n")[1:-1]:
        if not line.strip() or indentation(line) > depth:
            continue
        return indentation(line) == depth and _AT_ITS_OPENER.match(line.lstrip()) is not None
    return True


def _pair(opener: Bracket, before: str, closer: Bracket, after: str) -> bool:
    """Whether a closer may match an opener: of its kind and, if it begins a line, as deep as the opener's line."""
    if PAIRS[closer.char] != opener.char:
        return False
    start = after.rfind("\n", 0, closer.at) + 1
    if not start or after[start : closer.at].strip():
        return True
    return indentation(after[start:]) == indentation(_line_of(opener, before))


def _line_of(bracket: Bracket, text: str) -> str:
    """The line that a bracket is on."""
    return text[text.rfind("\n", 0, bracket.at) + 1 :].partition("\n")[0]


class Fitted(NamedTuple):
    """A suggestion's text, and how many characters right of the cursor it replaces."""

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
        # The remaining rest of the line would end up after the last line.
        end = text.find("\n", last)
        text = text[:end] if taken or not _inside(cursor, rest) else text
    return Fitted(text, taken)


def _excess(found: Unpaired, cursor: CursorContext, rest: str) -> int:
    """How many closers too many the line would have with those of both the suggestion and the rest."""
    left = unpaired(cursor.line_before, cursor.language)
    opened = len(left.openers) + left.in_string
    right = unpaired(rest, cursor.language, left.state if left.in_string else "")
    return len(found.closers) + len(right.closers) - opened


def _without_excess(text: str, found: Unpaired, rest: str, excess: int) -> str:
    """For mid-line: the suggestion up to the first closer that the rest contains, too."""
    count = min(excess, len(found.closers))
    if count <= 0:
        return text
    first = found.closers[-count]
    return text[: first.at] if rest.lstrip().startswith(first.char) else text


def _replaced(text: str, found: Unpaired, rest: str, excess: int) -> tuple[int, int]:
    """How much of the rest the suggestion contains in order, and where in the suggestion that ends."""
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
    """Whether the cursor is between brackets that the rest closes."""
    return bool(unpaired(cursor.line_before, cursor.language).openers) and rest.lstrip()[:1] in ")]}"
