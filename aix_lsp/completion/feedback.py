"""What became of each suggestion that a client was given: shown, accepted whole or in part, or rejected."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from cachetools import LRUCache

from aix_lsp.completion.request import Suggestion

Count = Callable[[str, int, str], None]

_UNWELCOME = 4


@dataclass(slots=True)
class _Outcome:
    language: str
    left: int = 0
    """Characters that can still be accepted."""
    shown: bool = False
    taken: bool = False
    """Whether something of it was accepted."""
    settled: bool = False


class Feedback:
    """Turns what a client says of suggestions into counts, in which each suggestion comes once."""

    def __init__(self, count: Count) -> None:
        """`count` takes a name of aix_lsp.statistics.COUNTS, how many, and the language id."""
        self._count = count
        self._known: LRUCache[str, _Outcome] = LRUCache(512)
        self._rejected_in_a_row = 0

    @property
    def unwelcome(self) -> bool:
        """Whether the last few suggestions that were shown were all rejected."""
        return self._rejected_in_a_row >= _UNWELCOME

    def given(self, suggestions: Iterable[Suggestion], language: str) -> None:
        """A client has these, in a document of this language.

        An id comes again with what is left of its text as the user types along.
        """
        for suggestion in suggestions:
            outcome = self._known.setdefault(suggestion.id, _Outcome(language))
            outcome.left = len(suggestion.text)

    def event(self, suggestion_id: str, event: str, accepted_chars: int) -> None:
        """See CompletionService.feedback. Unknown ids and events are ignored."""
        outcome = self._known.get(suggestion_id)
        if outcome is None:
            return
        if event == "shown":
            self._show(outcome)
        elif event == "partly":
            self._accept(outcome, "partly", max(0, min(accepted_chars, outcome.left)))
        elif event == "accepted" and not outcome.settled:
            outcome.settled = True
            self._accept(outcome, "accepted", outcome.left)
        elif event == "rejected" and not outcome.settled:
            outcome.settled = True
            if not outcome.taken:
                self._count("rejected", 1, outcome.language)
                self._rejected_in_a_row += 1

    def _show(self, outcome: _Outcome) -> None:
        if not outcome.shown:
            outcome.shown = True
            self._count("shown", 1, outcome.language)
            self._count("shown_characters", outcome.left, outcome.language)

    def _accept(self, outcome: _Outcome, how: str, characters: int) -> None:
        self._show(outcome)  # a client that accepts has shown, though it may not say so
        if not outcome.taken:
            outcome.taken = True
            self._rejected_in_a_row = 0
            self._count(how, 1, outcome.language)
        outcome.left -= characters
        self._count("kept_characters", characters, outcome.language)
