"""Turns a generation into a request's suggestions: trimmed, fitted to the cursor, ranked, without duplicates."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from aix_lsp.completion.cursor import CursorContext, with_ending
from aix_lsp.completion.generation import Generation
from aix_lsp.completion.generation_cache import GenerationRef
from aix_lsp.completion.postprocess import pipeline
from aix_lsp.completion.request import CompletionContext, PendingRequest, Suggestion
from aix_lsp.grammars import parse


class SuggestionList:
    """The suggestions for a request, as they grow."""

    def __init__(self, context: CompletionContext, pending: PendingRequest) -> None:
        self.suggestions: tuple[Suggestion, ...] = ()
        self._context = context
        self._pending = pending
        self._first_ms = 0.0

    def take(self, ref: GenerationRef) -> bool:
        """Look at the generation again; whether a text has changed."""
        found = candidates(ref.generation, ref.typed, self._context.cursor)[: self._context.candidates]
        if found and not self._first_ms:
            self._first_ms = self._pending.elapsed_ms
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
            total_ms=self._pending.elapsed_ms,
            mean_logprob=candidate.mean_logprob,
        )


@dataclass(frozen=True, slots=True)
class Candidate:
    """One distinct text to insert; `index` is its track's."""

    index: int
    text: str
    replace_right: int
    mean_logprob: float | None


def candidates(generation: Generation, typed: str, cursor: CursorContext) -> list[Candidate]:
    """What is left of a generation once `typed` has been typed, for `cursor`; best first.

    Of one that still grows, the word being written is kept back: it may be taken off at the end. Of several, those
    come first that parse in their place as the model wrote them, once they are whole.
    """
    found: dict[str, Candidate] = {}
    for index, track in enumerate(generation.tracks):
        text = track.rest(typed)
        if not track.stopped:
            text = pipeline.whole_words(text)
        fitted = pipeline.fit(text, cursor)
        if fitted.text.strip():
            ended = with_ending(fitted.text, cursor.ending)
            candidate = Candidate(index, ended, fitted.replace_right, track.mean_logprob)
            found.setdefault("".join(ended.split()), candidate)
    if len(found) == 1 or not generation.finished:
        return sorted(found.values(), key=_rank)
    return sorted(
        found.values(),
        key=lambda each: (
            syntax_errors(each.text, each.replace_right, cursor),
            *_rank(each),
        ),
    )


def _rank(candidate: Candidate) -> tuple[bool, float, int]:
    """The likeliest choice first: the first track, which is the model's own; then by likelihood a token."""
    logprob = candidate.mean_logprob
    return candidate.index > 0, -logprob if logprob is not None else 0.0, candidate.index


def syntax_errors(text: str, replaced: int, cursor: CursorContext) -> int:
    """Syntax errors around a cursor with `text` in place of `replaced` characters right of it.

    Says something only beside the number for another text, since what is seen begins and ends anywhere. 0 for
    languages without a grammar.
    """
    return _errors(cursor.before + text + cursor.after[replaced:], cursor.language)


_TIME_LIMIT_S = 0.05
"""On the event loop: a text that was made to take longer is not judged."""


@lru_cache(maxsize=32)
def _errors(source: str, language: str) -> int:
    tree = parse(source.encode("utf-8", "replace"), language, _TIME_LIMIT_S)
    if tree is None:
        return 0
    count, walk = 0, tree.walk()
    while True:
        node = walk.node
        assert node is not None
        count += node.is_error or node.is_missing
        if node.has_error and walk.goto_first_child():
            continue
        while not walk.goto_next_sibling():
            if not walk.goto_parent():
                return count
