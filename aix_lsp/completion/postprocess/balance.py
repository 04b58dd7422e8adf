"""Ends a suggestion before brackets that cannot pair: closers of what is not open, or is closed further right."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from aix_lsp.completion.brackets import PAIRS, Bracket, brackets, state_at, unpaired
from aix_lsp.completion.cursor import AFTER, BEFORE, CursorContext
from aix_lsp.completion.postprocess.cut import Cut
from aix_lsp.fim.block import indentation
from aix_lsp.fim.closers import without_closers

_AT_ITS_OPENER = re.compile(r"[)\]}]|(?:case|default|public|private|protected|else|elif|except|end)\b|#")
"""Lines of a block that may stand as deep as the line that opened it."""
_FLAT = re.compile(r"\s*(?:namespace|extern)\b")
"""Lines that open blocks in which nothing is indented."""
_LINES_TO_OPEN = 2
"""So many lines after one that closes what is closed further right (`} else {`), another must have opened for it."""


def balance(text: str, cursor: CursorContext, done: bool) -> Cut:
    """Keep what comes before the first such closer, and in mid-line before a bracket or string that is left open.

    At a line's end a suggestion may close what is closed further right, if it soon opens as much anew: `} else {`.
    Closers that are all of the line's rest are `fit`'s.
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
    """The openers left of the cursor that are still open there, innermost first."""

    free: str
    """Those that nothing right of the cursor closes."""
    taken: str
    """Those that are closed further right, as far as they are in sight."""
    all_seen: bool
    """Whether there are no others out of sight."""


def _fits_up_to(text: str, found: list[Bracket], open_: _Open, again: bool) -> tuple[int | None, bool]:
    """(where the text ceases to fit what stands right of it, None where it fits; whether it never will again).

    `again` says whether what is closed too much may be opened anew.
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
    """Whether enough lines have come after a closer."""
    return sum(bool(line.strip()) for line in behind.split("\n")[1:-1]) >= _LINES_TO_OPEN


@lru_cache(maxsize=64)
def _open(before: str, after: str, language: str) -> _Open | None:
    """What may be closed at the cursor, and what is closed right of it; None where it cannot be told.

    Whoever types leaves open what stands nearest to the cursor: of the openers left of it, the fewest are
    passed over that let the others pair with the closers right of it, in kind and in indentation.
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
    """Whether what has no partner in sight may have one further right: not on the cursor's line, nor where
    lines follow that are no deeper than the opener's.
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
    """Whether a closer may be an opener's: of its kind and, where it begins a line, as deep as the opener's line."""
    if PAIRS[closer.char] != opener.char:
        return False
    start = after.rfind("\n", 0, closer.at) + 1
    if not start or after[start : closer.at].strip():
        return True
    return indentation(after[start:]) == indentation(_line_of(opener, before))


def _line_of(bracket: Bracket, text: str) -> str:
    """The line that a bracket stands on, from its head."""
    return text[text.rfind("\n", 0, bracket.at) + 1 :].partition("\n")[0]
