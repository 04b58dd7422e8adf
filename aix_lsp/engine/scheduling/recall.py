"""What followed the same tokens before: in the request's own texts and in a library of others. Knows no model.

An n-gram model of unbounded order (Liu and others 2024, "Infini-gram"): the longest end of what stands before
the cursor that stood elsewhere, too, says what may come next. It is mixed with the model's chances, with a
share by the length of the match (Jelinek and Mercer 1980), and its most recent place makes drafts (Saxena
2023, prompt-lookup decoding).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class Match:
    """Where the longest end of a text stood before: the positions of its last token, each with a token behind
    it. `length` is 0 where it stood nowhere.
    """

    length: int
    own: NDArray[np.intp]
    library: NDArray[np.intp]


class Recall:
    """One sequence's texts. The last of them is what stands before the cursor; it grows by what is generated,
    which serves for drafts only: a model that believes its own words repeats itself.
    """

    def __init__(self, texts: Sequence[Sequence[int]], library: Tokens = NOTHING) -> None:
        known = joined(texts)[:-1]
        self._own = np.empty(len(known) + 256, np.int32)
        self._own[: len(known)] = known
        self._size = self._given = len(known)
        self._library = library
        self._match = self._search(self._tail())

    def extend(self, tokens: Sequence[int]) -> None:
        """Take in what was generated since the last call."""
        for token in tokens:
            if self._size == len(self._own):
                self._own = np.concatenate([self._own, np.empty_like(self._own)])
            self._own[self._size] = token
            self._size += 1
            self._match = self._follow(self._match, token, ())

    @property
    def generated(self) -> int:
        """How many generated tokens were taken in."""
        return self._size - self._given

    @property
    def matched(self) -> int:
        """The length of the match, in tokens."""
        return self._match.length

    def draft(self, count: int) -> list[int]:
        """At most `count` tokens that followed the most recent match."""
        match = self._match
        text, ends = (
            (self._own[: self._size], match.own) if len(match.own) else (self._library, match.library)
        )
        if not len(ends):
            return []
        found: list[int] = text[ends[-1] + 1 : ends[-1] + 1 + count].tolist()
        return found[: found.index(BREAK)] if BREAK in found else found

    def mixtures(self, drafts: Sequence[int], weight: float) -> list[Mixture | None]:
        """What to mix into the chances of the next token, and of the one after each drafted token.

        `weight` scales the shares: 1 is fit for a small model, 0 mixes nothing.
        """
        match = self._match
        found = [self._mixture(match, weight)]
        for at, token in enumerate(drafts, 1):
            match = self._follow(match, token, drafts[:at])
            found.append(self._mixture(match, weight))
        return found

    def _mixture(self, match: Match, weight: float) -> Mixture | None:
        own = match.own[match.own < self._given - 1]
        following = np.concatenate([self._own[own + 1], self._library[match.library + 1]])
        if not len(following):
            return None
        tokens, counts = np.unique(following, return_counts=True)
        if len(tokens) > _MOST_FOLLOWERS:
            often = np.argpartition(-counts, _MOST_FOLLOWERS)[:_MOST_FOLLOWERS]
            tokens, counts = tokens[often], counts[often]
        share = weight * _SHARES[min(match.length, len(_SHARES) - 1)]
        return Mixture(share, tokens.tolist(), (counts / counts.sum()).tolist())

    def _tail(self, drafts: Sequence[int] = ()) -> Tokens:
        """The last tokens of the text that goes on, as far back as its beginning."""
        tail = self._own[max(self._size - _LONGEST, 0) : self._size]
        if drafts:
            tail = np.concatenate([tail, np.array(drafts, np.int32)])[-_LONGEST:]
        breaks = np.flatnonzero(tail < 0)
        return tail[breaks[-1] + 1 :] if len(breaks) else tail

    def _follow(self, match: Match, token: int, drafts: Sequence[int]) -> Match:
        """The match after one more token: what it already was, a token longer, or a search."""
        own = _one_on(self._own[: self._size], match.own, token)
        library = _one_on(self._library, match.library, token)
        if len(own) or len(library):
            return Match(match.length + 1, own, library)
        return self._search(self._tail(drafts))

    def _search(self, tail: Tokens) -> Match:
        own_length, own = _longest(self._own[: self._size], tail)
        library_length, library = _longest(self._library, tail)
        length = max(own_length, library_length)
        return Match(
            length,
            own if own_length == length else own[:0],
            library if library_length == length else library[:0],
        )


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
