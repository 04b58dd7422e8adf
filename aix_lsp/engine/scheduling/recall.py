"""Finds what followed the same tokens elsewhere: in the request's own texts and in the corpus. Knows no model.

An n-gram model of unbounded order (Liu and others 2024, "Infini-gram"): the longest end of what stands before
the cursor that stood elsewhere, too, says what may come next. It is mixed with the model's probabilities, with a
share by the length of the match (Jelinek and Mercer 1980), and its most recent place makes drafts (Saxena
2023, prompt-lookup decoding).
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from aix_lsp.engine.scheduling.ngram_index import BREAK, EMPTY, NgramIndex, Tokens
from aix_lsp.engine.step import Mixture

_LONGEST = 24
_MOST_CONTINUATIONS = 32
_CERTAIN = (1.0,)
_OWN = 4
"""How much a place in the request's own texts counts beside one in the corpus: what a document says, it says again.
At 350 line starts of held-out packages 6 % more tokens were right before the first wrong one, with 2 as with 16."""
_LOOKED_AT = 8
"""Places among generated tokens that are looked at, the last ones."""


class Shares(NamedTuple):
    """What a match gets of the probability, by its length in tokens from 0 on; longer ones have the last share."""

    own: Sequence[float]
    """Where it occurs in the request's own texts, which the model has read, too."""
    corpus: Sequence[float]
    """Where it occurs in the corpus alone."""

    def of(self, length: int, own: bool) -> float:
        """The share of a match of so many tokens."""
        shares = self.own if own else self.corpus
        return shares[min(length, len(shares) - 1)]


# Fitted by expectation maximisation to the embedded model's probabilities at 1,000 cursors of held-out packages
# (training/README.md), and smoothed; `python -m training shares` fits them to another model.
SHARES = Shares(
    own=(0.0, 0.08, 0.12, 0.14, 0.19, 0.27, 0.31, 0.35, 0.41, 0.44, 0.47, 0.52, 0.56, 0.58, 0.6, 0.62, 0.7),
    corpus=(
        0.0,
        0.08,
        0.11,
        0.27,
        0.36,
        0.45,
        0.51,
        0.64,
        0.7,
        0.71,
        0.71,
        0.74,
        0.74,
        0.8,
        0.8,
        0.82,
        0.91,
    ),
)


class RecallMatch(NamedTuple):
    """Where the longest end of a text stands in what was given: its places in the sequence's own texts and in the
    corpus. `length` is 0 where it occurs nowhere.
    """

    length: int
    own: list[int]
    corpus: list[int]


@dataclass(frozen=True, slots=True)
class Draft:
    """Tokens that may come next, as many as there are from `start` on in `text`; `length` is how many tokens before
    them were found again, 0 where nothing was.
    """

    length: int
    text: Sequence[int] | Tokens
    start: int

    def tokens(self, count: int) -> list[int]:
        """At most `count` of them."""
        found = [int(token) for token in self.text[self.start : self.start + count]]
        return found[: found.index(BREAK)] if BREAK in found else found


class Recall:
    """One sequence's texts. The last of them is the text before the cursor; it grows by what is generated.

    What was generated serves for drafts only, which cannot change the text: a model that believes its own words
    repeats itself, and what is mixed in must not depend on what was drafted.

    The few places of a match are followed token by token, and only where none goes on all texts are searched:
    sixteen sequences' next tokens must not take longer than planning their step.
    """

    def __init__(self, texts: Sequence[Sequence[int]] | NgramIndex, corpus: NgramIndex = EMPTY) -> None:
        self._own = texts if isinstance(texts, NgramIndex) else NgramIndex(texts)
        self._corpus = corpus
        self._tokens: list[int] = self._own.tokens[:-1].tolist()
        self._given = len(self._tokens)
        self._later: dict[int, list[int]] = {}
        """Where tokens stand that a generated one stands behind."""
        self._match = self._search(())
        self._ahead: list[tuple[int, RecallMatch]] = []
        """The drafted tokens last asked about, and the match behind each: right ones need not be followed again."""

    def extend(self, tokens: Sequence[int]) -> None:
        """Take in what was generated since the last call."""
        taken, later = self._tokens, self._later
        for token in tokens:
            if taken:
                later.setdefault(taken[-1], []).append(len(taken) - 1)
            taken.append(token)
        known = 0
        for token, (drafted, match) in zip(tokens, self._ahead, strict=False):
            if token != drafted:
                break
            self._match, known = match, known + 1
        self._ahead = []
        if known < len(tokens):
            self._match = self._follow(self._match, tokens[known:], ())

    @property
    def matched(self) -> int:
        """How many of the last tokens occur elsewhere, too."""
        return self._match.length

    @property
    def in_own(self) -> bool:
        """Whether they stand in the request's own texts."""
        return bool(self._match.own)

    @property
    def generated(self) -> int:
        """How many generated tokens were taken in."""
        return len(self._tokens) - self._given

    def draft(self) -> Draft:
        """What followed where the longest end stood last, generated or given."""
        match = self._match
        length, end = self._last_generated(match.length)
        if length:
            return Draft(length, self._tokens, end + 1)
        if match.own:
            return Draft(match.length, self._tokens, match.own[-1] + 1)
        if match.corpus:
            return Draft(match.length, self._corpus.tokens, match.corpus[-1] + 1)
        return Draft(0, (), 0)

    def mixtures(self, drafts: Sequence[int], weight: float) -> list[Mixture | None]:
        """What to mix into the distribution of the next token, and of the one after each drafted token.

        `weight` scales the shares: 1 is fit for a small model, 0 mixes nothing.
        """
        match, self._ahead = self._match, []
        found = [self._mixture(match, weight)]
        for at, token in enumerate(drafts, 1):
            match = self._follow(match, (token,), drafts[:at])
            self._ahead.append((token, match))
            found.append(self._mixture(match, weight))
        return found

    def _last_generated(self, least: int) -> tuple[int, int]:
        """(length, position of its last token) of the longest end, of `least` tokens or more, that stands before
        a generated token, of the last few places; (0, 0) where there is none.
        """
        tokens = self._tokens
        best, place = 0, 0
        for end in reversed(self._later.get(tokens[-1], ())[-_LOOKED_AT:] if tokens else ()):
            length = 1
            while (
                length < _LONGEST and end >= length and tokens[end - length] == tokens[-1 - length] != BREAK
            ):
                length += 1
            if length > best and length >= least:
                best, place = length, end
        return best, place

    def _mixture(self, match: RecallMatch, weight: float) -> Mixture | None:
        if not match.length:
            return None
        own, corpus = self._own.continuations(match.own), self._corpus.continuations(match.corpus)
        share = weight * SHARES.of(match.length, bool(own))
        if len(own) + len(corpus) == 1:
            return Mixture(share, own or corpus, _CERTAIN)
        counts: dict[int, int] = {}
        for token in own:
            counts[token] = counts.get(token, 0) + _OWN
        for token in corpus:
            counts[token] = counts.get(token, 0) + 1
        if len(counts) > _MOST_CONTINUATIONS:
            kept = heapq.nlargest(_MOST_CONTINUATIONS, counts, key=counts.__getitem__)
            counts = {token: counts[token] for token in kept}
        total = sum(counts.values())
        return Mixture(share, list(counts), [count / total for count in counts.values()])

    def _tail(self, drafts: Sequence[int]) -> list[int]:
        """The last tokens of the text that goes on, as far back as its beginning."""
        tail = self._tokens[-_LONGEST:]
        if drafts:
            tail = [*tail, *drafts][-_LONGEST:]
        if BREAK in tail:
            tail = tail[len(tail) - tail[::-1].index(BREAK) :]
        return tail

    def _follow(self, match: RecallMatch, more: Sequence[int], drafts: Sequence[int]) -> RecallMatch:
        """The match after more tokens: what it already was, so much longer, or a search. `drafts` are those
        that are not taken in, `more` included.
        """
        own, corpus = match.own, match.corpus
        for token in more:
            own = self._own.onward(own, token)
            corpus = self._corpus.onward(corpus, token)
        if own or corpus:
            return RecallMatch(match.length + len(more), own, corpus)
        return self._search(drafts)

    def _search(self, drafts: Sequence[int]) -> RecallMatch:
        tail = self._tail(drafts)
        own_length, own = self._own.longest(tail)
        length, corpus = self._corpus.longest(tail)
        longest = max(own_length, length)
        return RecallMatch(longest, own if own_length == longest else [], corpus if length == longest else [])
