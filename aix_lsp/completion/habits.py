"""When the model is worth asking: in situations where suggestions were never taken it is asked seldom.

What is known at first are the replay's figures; the user's own counts are added to them, and stay on this machine.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from aix_lsp.completion.completion_context import CompletionContext
from aix_lsp.completion.edit_kind import EditKind
from aix_lsp.completion.syntactic_context import syntactic_context

PRIOR: Mapping[str, tuple[int, int]] = {
    "behind ;": (100, 0),
    "mid-line, punctuation": (100, 0),
    "several cursors": (100, 0),
    "undoing": (100, 0),
}
"""Suggestions and how many of them were taken. The replay has none with several cursors, where a suggestion
would be right at one of them only, and no undo, after which nobody wants what he has just taken back."""

_ENOUGH = 100
_LEAST = 0.01
_EVERY = 10
"""In such a situation one request in so many goes to the model all the same, or nothing could be learnt."""
_TELLING = 20
"""A client of which so many accepts were heard tells of them; of another's, nothing can be learnt."""


def situation(context: CompletionContext, edit_kind: EditKind) -> str:
    """A name for what the user is doing at the cursor; no part of the text is in it."""
    cursor = context.cursor
    if context.request.selected is not None:
        return "popup"
    if edit_kind:
        return edit_kind
    around = syntactic_context(cursor)
    if around not in ("code", "parentheses"):
        return around
    line, last = cursor.line_before.strip(), cursor.line_before[-1:]
    if not line:
        return "blank line"
    if last.isalnum() or last == "_":
        kind = "word"
    else:
        kind = "blank" if last.isspace() else "opener" if last in "([{.\"'`" else "punctuation"
    if cursor.in_mid_line:
        return f"mid-line, {kind}"
    if last in ";)]}" and not cursor.line_after.strip():
        return f"behind {last}"
    return kind


class Habits:
    """Counts of suggestions by situation, those of earlier sessions among them."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._passed: Counter[str] = Counter()

    def know(self, counts: Mapping[str, float]) -> None:
        """Add what was counted before, by the names of `name_in`, with `accepted` and `partly`."""
        self._counts.update({name: int(count) for name, count in counts.items()})

    def count(self, name: str, value: int) -> None:
        """Take note of one count."""
        self._counts[name] += value

    def worth(self, situation: str) -> bool:
        """Whether to ask the model now."""
        given, taken = PRIOR.get(situation, (0, 0))
        if self._counts["accepted"] + self._counts["partly"] >= _TELLING:
            given += self._counts[name_in(situation, "given")]
            taken += self._counts[name_in(situation, "taken")]
        if given < _ENOUGH or taken >= _LEAST * given:
            return True
        self._passed[situation] += 1
        return self._passed[situation] % _EVERY == 0


def name_in(situation: str, name: str) -> str:
    """The name under which `given` or `taken` is counted for a situation."""
    return f"{situation}/{name}"
