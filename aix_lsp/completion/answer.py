"""The suggestions of one ask as they grow, with what they cost and how long they took."""

from __future__ import annotations

from aix_lsp.completion.aim import Aim
from aix_lsp.completion.asking import Asking
from aix_lsp.completion.candidates import Candidate, candidates
from aix_lsp.completion.sources import Source
from aix_lsp.completion.suggestion import Suggestion


class Answer:
    """What an ask is given."""

    def __init__(self, goal: Aim, asking: Asking) -> None:
        self.suggestions: tuple[Suggestion, ...] = ()
        self._goal = goal
        self._asking = asking
        self._first_ms = 0.0

    def take(self, source: Source) -> bool:
        """Look at the source again; whether a text has changed."""
        found = candidates(source.generation, source.typed, self._goal.scene)[: self._goal.wanted]
        if found and not self._first_ms:
            self._first_ms = self._asking.elapsed_ms
        old = [(suggestion.text, suggestion.replace_right) for suggestion in self.suggestions]
        self.suggestions = tuple(self._suggestion(candidate, source) for candidate in found)
        return old != [(candidate.text, candidate.replace_right) for candidate in found]

    def _suggestion(self, candidate: Candidate, source: Source) -> Suggestion:
        generation, reused = source.generation, source.outcome == "reused"
        return Suggestion(
            id=f"{generation.name}.{candidate.index}",
            text=candidate.text,
            replace_right=candidate.replace_right,
            source="reuse" if reused else "model",
            prompt_tokens=0 if reused else generation.usage.prompt_tokens,
            reused_tokens=0 if reused else generation.usage.cached_tokens,
            completion_tokens=0 if reused else generation.completion_tokens,
            first_text_ms=self._first_ms,
            total_ms=self._asking.elapsed_ms,
            mean_logprob=candidate.mean_logprob,
        )
