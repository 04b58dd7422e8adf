"""Ends a suggestion before brackets that cannot pair: closers of what is not open, or is closed further right."""

from __future__ import annotations

from functools import lru_cache

from aix_lsp.completion.brackets import PAIRS, Bracket, state_at, unpaired
from aix_lsp.completion.filters.cut import Cut
from aix_lsp.completion.languages import indentation
from aix_lsp.completion.scene import AFTER, Scene
from aix_lsp.fim.closers import without_closers


def balance(text: str, scene: Scene, done: bool) -> Cut:
    """Keep what comes before the first such closer, and in mid-line before an opener that is left open.

    Closers that are all of the line's rest are `fit`'s.
    """
    closable = _closable(scene.before, scene.after, scene.language)
    if closable is None:
        return Cut(text)
    found = unpaired(text, scene.language, state_at(scene.before, scene.language))
    closers = [bracket for bracket in found.closers if bracket.char in PAIRS]
    for place, closer in enumerate(closers):
        if closable[place : place + 1] != PAIRS[closer.char]:
            return Cut(text[: closer.at], stop=True)
    if scene.in_mid_line and found.openers:
        return Cut(text[: found.openers[0].at], stop=done)
    return Cut(text)


@lru_cache(maxsize=64)
def _closable(before: str, after: str, language: str) -> str | None:
    """The openers that nothing right of the cursor closes, innermost first; None where it cannot be told.

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
    # What has no partner in sight is closed out of sight, but for what the cursor's line has opened.
    seen = 0 if len(after) < AFTER else before.rfind("\n") + 1
    for free in range(len(openers)):
        rest = openers[free:]
        paired = all(
            _pair(opener, before, closer, right) for opener, closer in zip(rest, closers, strict=False)
        )
        if paired and all(opener.at < seen for opener in rest[len(closers) :]):
            return "".join(opener.char for opener in openers[:free])
    return "".join(opener.char for opener in openers)


def _pair(opener: Bracket, before: str, closer: Bracket, after: str) -> bool:
    """Whether a closer may be an opener's: of its kind and, where it begins a line, as deep as the opener's line."""
    if PAIRS[closer.char] != opener.char:
        return False
    start = after.rfind("\n", 0, closer.at) + 1
    if not start or after[start : closer.at].strip():
        return True
    line = before[before.rfind("\n", 0, opener.at) + 1 :]
    return indentation(after[start:]) == indentation(line)
