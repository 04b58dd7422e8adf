"""What became of each suggestion that a client was given: shown, accepted whole or in part, or rejected."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from cachetools import LRUCache

from aix_lsp.completion.habits import name_in
from aix_lsp.completion.suggestion import Suggestion

Count = Callable[[str, int, str], None]

_UNWELCOME = 4


@dataclass(slots=True)
class _Fate:
    language: str
    situation: str
    left: int = 0
    """Characters that can still be accepted."""
    shown: bool = False
    taken: bool = False
    """Whether something of it was accepted."""
    settled: bool = False


class Fates:
    """Turns what a client says of suggestions into counts, in which each suggestion comes once."""

    def __init__(self, count: Count) -> None:
        """`count` takes a name of aix_lsp.statistics.COUNTS, how many, and the language id."""
        self._count = count
        self._known: LRUCache[str, _Fate] = LRUCache(512)
        self._rejected_in_a_row = 0

    @property
    def unwelcome(self) -> bool:
        """Whether the last few suggestions that were shown were all rejected."""
        return self._rejected_in_a_row >= _UNWELCOME

    def given(self, suggestions: Iterable[Suggestion], language: str, situation: str) -> None:
        """A client has these, in a document of this language and a situation of completion/habits.py.

        An id comes again with what is left of its text as the user types along.
        """
        for suggestion in suggestions:
            fate = self._known.setdefault(suggestion.id, _Fate(language, situation))
            fate.left = len(suggestion.text)

    def event(self, suggestion_id: str, event: str, accepted_chars: int) -> None:
        """See CompletionService.feedback. Unknown ids and events are ignored."""
        fate = self._known.get(suggestion_id)
        if fate is None:
            return
        if event == "shown":
            self._show(fate)
        elif event == "partly":
            self._accept(fate, "partly", max(0, min(accepted_chars, fate.left)))
        elif event == "accepted" and not fate.settled:
            fate.settled = True
            self._accept(fate, "accepted", fate.left)
        elif event == "rejected" and not fate.settled:
            fate.settled = True
            if not fate.taken:
                self._count("rejected", 1, fate.language)
                self._rejected_in_a_row += 1

    def _show(self, fate: _Fate) -> None:
        if not fate.shown:
            fate.shown = True
            self._count("shown", 1, fate.language)
            self._count("shown_characters", fate.left, fate.language)
            if fate.situation:
                self._count(name_in(fate.situation, "given"), 1, "")

    def _accept(self, fate: _Fate, how: str, characters: int) -> None:
        self._show(fate)  # a client that accepts has shown, though it may not say so
        if not fate.taken:
            fate.taken = True
            self._rejected_in_a_row = 0
            self._count(how, 1, fate.language)
            if fate.situation:
                self._count(name_in(fate.situation, "taken"), 1, "")
        fate.left -= characters
        self._count("kept_characters", characters, fate.language)
