"""Finds what followed the same tokens elsewhere: in the request's own texts and in the corpus. Knows no models.

An n-gram model of unbounded order (Liu and others 2024, "Infini-gram"): where the longest suffix of the text before
the cursor occurs elsewhere, too, the tokens that follow it there may come next. They are mixed into the model's
probabilities, with a share that depends on the match's length (Jelinek and Mercer 1980), and the most recent match
provides drafts (Saxena 2023, prompt-lookup decoding).
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
"""Weight of a match in the request's own texts relative to one in the corpus: documents repeat themselves. At 350 line
starts of held-out packages, 6 % more tokens were right before the first wrong one; 2 and 16 did as well."""
_LOOKED_AT = 8
"""The last matches among generated tokens that are examined."""


class Shares(NamedTuple):
    """A match's share of the probability, by its length in tokens from 0 on; longer ones get the last share."""

    own: Sequence[float]
    """For matches in the request's own texts, which the model has read, too."""
    corpus: Sequence[float]
    """For matches in the corpus alone."""

    def of(self, length: int, own: bool) -> float:
        """The share of a match of `length` tokens."""
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
    """The places of the longest matching suffix in the sequence's own texts and in the corpus; `length` is 0 if there
    is none.
    """

    length: int
    own: list[int]
    corpus: list[int]


@dataclass(frozen=True, slots=True)
class Draft:
    """Tokens that may come next: those of `text` from `start` on. `length` is the length in tokens of the match before
    them, 0 if there is none.
    """

    length: int
    text: Sequence[int] | Tokens
    start: int

    def tokens(self, count: int) -> list[int]:
        """The first tokens, at most `count`."""
        found = [int(token) for token in self.text[self.start : self.start + count]]
        return found[: found.index(BREAK)] if BREAK in found else found


class Recall:
    """One sequence's texts. The last of them is the text before the cursor, which grows by the generated tokens.

    Generated tokens serve for drafts only, which cannot change the text: a model that is fed its own words repeats
    itself, and what is mixed in must not depend on what was drafted.

    A match's few places are followed token by token; all texts are searched only when none of them continues, so that
    the next tokens of sixteen sequences take no longer than planning their step.
    """

    def __init__(self, texts: Sequence[Sequence[int]] | NgramIndex, corpus: NgramIndex = EMPTY) -> None:
        self._own = texts if isinstance(texts, NgramIndex) else NgramIndex(texts)
        self._corpus = corpus
        self._tokens: list[int] = self._own.tokens[:-1].tolist()
        self._given = len(self._tokens)
        self._later: dict[int, list[int]] = {}
        """The places of each token that a generated token follows."""
        self._match = self._search(())
        self._ahead: list[tuple[int, RecallMatch]] = []
        """The drafted tokens of the last call of `mixtures`, and the match after each: accepted ones are not followed
        again."""

    def extend(self, tokens: Sequence[int]) -> None:
        """Add the tokens generated since the last call."""
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
        """How many of the last tokens also occur elsewhere."""
        return self._match.length

    @property
    def in_own(self) -> bool:
        """Whether they occur in the request's own texts."""
        return bool(self._match.own)

    @property
    def generated(self) -> int:
        """How many generated tokens were added."""
        return len(self._tokens) - self._given

    def draft(self) -> Draft:
        """What followed the most recent match, in generated or given text."""
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

        `weight` scales the shares: 1 suits a small model, 0 mixes in nothing.
        """
        match, self._ahead = self._match, []
        found = [self._mixture(match, weight)]
        for at, token in enumerate(drafts, 1):
            match = self._follow(match, (token,), drafts[:at])
            self._ahead.append((token, match))
            found.append(self._mixture(match, weight))
        return found

    def _last_generated(self, least: int) -> tuple[int, int]:
        """(length, place) of the longest suffix, of at least `least` tokens, that a generated token follows elsewhere,
        among the last few places; (0, 0) if there is none.
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
        """The last tokens of the text being continued, at most back to its beginning."""
        tail = self._tokens[-_LONGEST:]
        if drafts:
            tail = [*tail, *drafts][-_LONGEST:]
        if BREAK in tail:
            tail = tail[len(tail) - tail[::-1].index(BREAK) :]
        return tail

    def _follow(self, match: RecallMatch, more: Sequence[int], drafts: Sequence[int]) -> RecallMatch:
        """The match after more tokens: the same one extended, or the result of a search. `drafts` are the tokens not
        yet added, including `more`.
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
