"""The suggestions of one request as they grow, with what they cost and how long they took."""

from __future__ import annotations

from aix_lsp.completion.candidates import Candidate, candidates
from aix_lsp.completion.completion_context import CompletionContext
from aix_lsp.completion.generation_cache import GenerationRef
from aix_lsp.completion.pending_request import PendingRequest
from aix_lsp.completion.request import Suggestion


class Answer:
    """What a request is given."""

    def __init__(self, context: CompletionContext, pending: PendingRequest) -> None:
        self.suggestions: tuple[Suggestion, ...] = ()
        self._goal = context
        self._asking = pending
        self._first_ms = 0.0

    def take(self, ref: GenerationRef) -> bool:
        """Look at the source again; whether a text has changed."""
        found = candidates(ref.generation, ref.typed, self._goal.cursor)[: self._goal.wanted]
        if found and not self._first_ms:
            self._first_ms = self._asking.elapsed_ms
        old = [(suggestion.text, suggestion.replace_right) for suggestion in self.suggestions]
        self.suggestions = tuple(self._suggestion(candidate, ref) for candidate in found)
        return old != [(candidate.text, candidate.replace_right) for candidate in found]

    def _suggestion(self, candidate: Candidate, ref: GenerationRef) -> Suggestion:
        generation, reused = ref.generation, ref.origin == "reused"
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
