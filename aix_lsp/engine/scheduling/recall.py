"""What followed the same tokens before: in the request's own texts and in a library of others. Knows no model.

An n-gram model of unbounded order (Liu and others 2024, "Infini-gram"): the longest end of what stands before
the cursor that stood elsewhere, too, says what may come next. It is mixed with the model's chances, with a
share by the length of the match (Jelinek and Mercer 1980), and its most recent place makes drafts (Saxena
2023, prompt-lookup decoding).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from aix_lsp.engine.step import Mixture

Tokens = NDArray[np.int32]

BREAK = -1
"""Stands between texts; no match goes across."""
NOTHING: Tokens = np.empty(0, np.int32)
_LONGEST = 24
_MOST_FOLLOWERS = 32
# By the length of the match in tokens, from 0 on: fitted by expectation maximisation to the embedded model's
# chances at 400 cursors of held-out packages (training/README.md).
_SHARES = (0.0, 0.25, 0.3, 0.43, 0.5, 0.52, 0.55, 0.7, 0.73, 0.73, 0.73, 0.73, 0.73, 0.73, 0.73, 0.73, 0.9)


class Match(NamedTuple):
    """Where the longest end of a text stands in what was given: the positions of its last token, each with a
    token behind it. `length` is 0 where it stands nowhere.
    """

    length: int
    own: list[int]
    library: NDArray[np.intp]


_NOWHERE = np.empty(0, np.intp)
_PAIR = np.int64(1 << 32)
_SIEVE = (1 << 14) - 1
_COUNTED_ONE_BY_ONE = 64
_KEPT, _LOOKED_AT = 64, 8
"""Places of a match that are kept, the last ones, and of generated tokens looked at: a text that repeats
itself has hundreds, and all say the same."""


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
    """One sequence's texts. The last of them is what stands before the cursor; it grows by what is generated.

    What was generated serves for drafts only, which cannot change the text: a model that believes its own words
    repeats itself, and what is mixed in must not depend on what was drafted.

    The few places of a match are followed in lists, token by token, and only where none goes on all texts are
    searched: sixteen sequences' next tokens must not take longer than planning their step.
    """

    def __init__(self, texts: Sequence[Sequence[int]], library: Tokens = NOTHING) -> None:
        known = joined(texts)[:-1]
        # What is searched: each token that has another behind it, and each with the one before it.
        self._heads = known[:-1]
        self._pairs = known[:-2] * _PAIR + known[1:-1]
        self._sieve = _sieve(known)
        self._tokens: list[int] = known.tolist()
        self._given = len(known)
        self._single: dict[int, list[int]] = {}
        self._later: dict[int, list[int]] = {}
        """Where tokens stand that a generated one stands behind."""
        self._library = library
        self._match = self._search(())

    def extend(self, tokens: Sequence[int]) -> None:
        """Take in what was generated since the last call."""
        for token in tokens:
            if self._tokens:
                self._later.setdefault(self._tokens[-1], []).append(len(self._tokens) - 1)
            self._tokens.append(token)
        self._match = self._follow(self._match, tokens, ())

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
        if len(match.library):
            return Draft(match.length, self._library, int(match.library[-1]) + 1)
        return Draft(0, (), 0)

    def mixtures(self, drafts: Sequence[int], weight: float) -> list[Mixture | None]:
        """What to mix into the chances of the next token, and of the one after each drafted token.

        `weight` scales the shares: 1 is fit for a small model, 0 mixes nothing.
        """
        match = self._match
        found = [self._mixture(match, weight)]
        for at, token in enumerate(drafts, 1):
            match = self._follow(match, (token,), drafts[:at])
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

    def _mixture(self, match: Match, weight: float) -> Mixture | None:
        counts: dict[int, int] = {}
        for end in match.own:
            token = self._tokens[end + 1]
            counts[token] = counts.get(token, 0) + 1
        if len(match.library):
            counts = Counter(counts) + _counts(self._library[match.library + 1])
        if not counts:
            return None
        if len(counts) > _MOST_FOLLOWERS:
            counts = dict(Counter(counts).most_common(_MOST_FOLLOWERS))
        total = sum(counts.values())
        share = weight * _SHARES[min(match.length, len(_SHARES) - 1)]
        return Mixture(share, list(counts), [count / total for count in counts.values()])

    def _tail(self, drafts: Sequence[int]) -> list[int]:
        """The last tokens of the text that goes on, as far back as its beginning."""
        tail = [*self._tokens[-_LONGEST:], *drafts][-_LONGEST:]
        if BREAK in tail:
            tail = tail[len(tail) - tail[::-1].index(BREAK) :]
        return tail

    def _follow(self, match: Match, more: Sequence[int], drafts: Sequence[int]) -> Match:
        """The match after more tokens: what it already was, so much longer, or a search. `drafts` are those
        that are not taken in, `more` included.
        """
        tokens, count, wanted = self._tokens, len(more), list(more)
        last = self._given - 1 - count
        own = [
            end + count
            for end in match.own
            if end < last and tokens[end + 1 : end + 1 + count] == wanted and tokens[end + 1 + count] != BREAK
        ]
        library = match.library
        for token in more if len(library) else ():
            library = _one_on(self._library, library, token)
        if own or len(library):
            return Match(match.length + count, own, library)
        return self._search(drafts)

    def _search(self, drafts: Sequence[int]) -> Match:
        own_length, own = self._own_places(drafts)
        if not len(self._library):
            return Match(own_length, own, _NOWHERE)
        length, library = _longest(self._library, np.array(self._tail(drafts), np.int32))
        if length > own_length:
            return Match(length, [], library)
        return Match(own_length, own, library if length == own_length else _NOWHERE)

    def _own_places(self, drafts: Sequence[int]) -> tuple[int, list[int]]:
        """As `_longest`, of the sequence's own texts as they were given."""
        recent = (*self._tokens[-2:], *drafts[-2:])
        if len(recent) < 2 or recent[-1] == BREAK:
            return 0, []
        before, last = recent[-2:]
        ends: list[int] = []
        if before != BREAK and self._sieve[(before * 31 + last) & _SIEVE]:
            pairs: list[int] = (self._pairs == before * _PAIR + last).nonzero()[0].tolist()
            ends = [end + 1 for end in pairs if self._tokens[end + 2] != BREAK]
        if ends:
            return self._lengthened(ends, self._tail(drafts))
        ends = self._places(last)
        return int(bool(ends)), ends[-_KEPT:]

    def _lengthened(self, ends: list[int], tail: list[int]) -> tuple[int, list[int]]:
        """Of places where the last two tokens of `tail` stand, those where the most do, and how many."""
        tokens, length = self._tokens, 2
        while length < len(tail):
            wanted = tail[-1 - length]
            longer = [end for end in ends if end >= length and tokens[end - length] == wanted]
            if not longer:
                break
            length, ends = length + 1, longer
        return length, ends[-_KEPT:]

    def _places(self, token: int) -> list[int]:
        """Where a token stands in what was given, with another behind it."""
        found = self._single.get(token)
        if found is None:
            ends: list[int] = (self._heads == token).nonzero()[0].tolist()
            found = self._single[token] = [end for end in ends if self._tokens[end + 1] != BREAK]
        return found


def _sieve(known: Tokens) -> bytes:
    """For each pair of neighbours a mark: most pairs that stand nowhere are told by it without a search."""
    marks = np.zeros(_SIEVE + 1, np.uint8)
    marks[(known[:-1] * 31 + known[1:]) & _SIEVE] = 1
    return marks.tobytes()


def _counts(tokens: Tokens) -> Counter[int]:
    if len(tokens) <= _COUNTED_ONE_BY_ONE:
        return Counter(tokens.tolist())
    values, counts = np.unique(tokens, return_counts=True)
    return Counter(dict(zip(values.tolist(), counts.tolist(), strict=True)))


def _one_on(text: Tokens, ends: NDArray[np.intp], token: int) -> NDArray[np.intp]:
    """The places behind `ends` where `token` stands, with another behind it."""
    later = ends[text[ends + 1] == token] + 1
    later = later[later < len(text) - 1]
    found: NDArray[np.intp] = later[text[later + 1] != BREAK]
    return found


def _longest(text: Tokens, tail: Tokens) -> tuple[int, NDArray[np.intp]]:
    """(length, positions of its last token) of the longest end of `tail` that stands in `text` with a token
    behind it.
    """
    found = np.empty(0, np.intp)
    if not len(tail) or not len(text):
        return 0, found
    length, ends = 0, np.flatnonzero(text[:-1] == tail[-1])
    ends = ends[text[ends + 1] != BREAK]
    while len(ends):
        length, found = length + 1, ends
        if length == len(tail):
            break
        ends = ends[ends >= length]
        ends = ends[text[ends - length] == tail[-1 - length]]
    return length, found


def joined(texts: Sequence[Sequence[int] | Tokens]) -> Tokens:
    """Texts as one, with a break behind each."""
    parts = [part for text in texts for part in (np.asarray(text, np.int32), np.array([BREAK], np.int32))]
    return np.concatenate(parts) if parts else NOTHING
