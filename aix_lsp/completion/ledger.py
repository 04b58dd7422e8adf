"""What is noted of a client's asks and generations, and of what became of the suggestions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from aix_lsp.completion.aim import Aim
from aix_lsp.completion.document import Text
from aix_lsp.completion.generation import Generation
from aix_lsp.completion.sources import Source
from aix_lsp.completion.statistics import Statistics
from aix_lsp.completion.suggestion import Suggestion
from aix_lsp.completion.survival import Survival


class Ledger:
    """Turns events of the service into statistics."""

    def __init__(self, latest: Callable[[str], Text | None]) -> None:
        """`latest` gives an open document's text by URI."""
        self._statistics = Statistics()
        self._survival = Survival(latest, self._statistics.kept)

    def answered(self, aim: Aim, source: Source, suggestions: Sequence[Suggestion]) -> None:
        """An ask has had its last update."""
        document, language = aim.ask.document, aim.ask.document.language
        self._statistics.answered(language, suggestions, source.outcome)
        for suggestion in suggestions:
            self._survival.given(suggestion.id, document.uri, language, aim.real_cursor, suggestion.text)
        if source.outcome == "reused" and suggestions:
            generation = source.generation
            tokens = generation.usage.prompt_tokens + generation.completion_tokens
            self._statistics.saved(language, tokens)

    def generated(self, generation: Generation) -> None:
        """A generation has ended."""
        usage = generation.usage
        language, tokens = generation.scene.language, generation.completion_tokens
        self._statistics.generated(language, usage.prompt_tokens, usage.cached_tokens, tokens)

    def feedback(self, suggestion_id: str, event: str, accepted_chars: int) -> None:
        """See CompletionService.feedback."""
        self._statistics.feedback(suggestion_id, event, accepted_chars)
        if event == "accepted":
            self._survival.accepted(suggestion_id)

    def look_again(self, uri: str | None = None) -> None:
        """See now what is left of accepted suggestions, before a document (or all of them) is closed."""
        self._survival.check(uri)

    def session(self) -> dict[str, Any]:
        """The figures of this client; see completion/figures.py."""
        return self._statistics.session()

    async def close(self) -> None:
        """Save what was noted."""
        await self._statistics.close()
