"""Turns a generation into suggestions: trimmed, fitted to the cursor, ranked, without duplicates."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from aix_lsp.completion.cursor import CursorContext, with_ending
from aix_lsp.completion.generation import Generation, Track
from aix_lsp.completion.postprocess import pipeline
from aix_lsp.grammars import parse


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
        text = rest(track, typed)
        if not track.stopped:
            text = pipeline.whole_words(text)
        fitted = pipeline.fit(text, cursor)
        if fitted.text.strip():
            ended = with_ending(fitted.text, cursor.ending)
            candidate = Candidate(index, ended, fitted.replace_right, _mean_logprob(track))
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


def rest(track: Track, typed: str) -> str:
    """What a track shows beyond what was typed; empty where it says something else, or nothing more."""
    return track.shown[len(typed) :] if track.shown.startswith(typed) else ""


def contradicts(generation: Generation, typed: str) -> bool:
    """Whether no track will ever continue what was typed."""
    return not any(_agrees(track, typed) for track in generation.tracks)


def exhausted(generation: Generation, typed: str) -> bool:
    """Whether everything that was generated has been typed, or accepted."""
    return generation.finished and bool(typed) and not has_more(generation, typed)


def has_more(generation: Generation, typed: str) -> bool:
    """Whether something is shown beyond what was typed."""
    return any(rest(track, typed).strip() for track in generation.tracks)


def _agrees(track: Track, typed: str) -> bool:
    if track.stopped:
        return track.shown.startswith(typed)
    return track.raw.startswith(typed) or typed.startswith(track.raw)


def _rank(candidate: Candidate) -> tuple[bool, float, int]:
    """The likeliest choice first: the first track, which is the model's own; then by likelihood a token."""
    logprob = candidate.mean_logprob
    return candidate.index > 0, -logprob if logprob is not None else 0.0, candidate.index


def _mean_logprob(track: Track) -> float | None:
    return track.logprob / track.tokens if track.logprob is not None and track.tokens else None


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
