"""The corpus: texts near clients' documents, tokenised, by digest. Knows no files, models or request fields.

A client sends each text once and refers to it by its digest from then on, so that requests stay small.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable, Sequence

import numpy as np
from cachetools import LRUCache

from aix_lsp.engine.scheduling.ngram_index import EMPTY, NgramIndex, Tokens
from aix_lsp.engine.text.encoder import TextEncoder

_MOST_TOKENS = 4_000_000
"""Of all texts; the least recently used are dropped."""
_LONGEST_TEXT = 1 << 20
_LONGEST_INDEX = 1_000_000
"""Tokens that one request searches, in the order of its digests; each takes 20 bytes of an index."""
_KEPT, _KEPT_TOKENS = 16, 2_000_000
"""Cached indexes, and tokens of all of them."""


def digest(text: str) -> str:
    """A text's key: 128 bits of its SHA-256, in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()[:32]


class Corpus:
    """The texts of all clients. To know a text's digest, a client must know the text."""

    def __init__(self, encoder: TextEncoder, most_tokens: int = _MOST_TOKENS) -> None:
        self._encoder = encoder
        self._version = 0
        """The number of changes so far."""
        self._texts: LRUCache[str, Tokens] = LRUCache(most_tokens, len)
        self._joined: LRUCache[tuple[str, ...], NgramIndex] = LRUCache(_KEPT_TOKENS, _share)
        self._lock = threading.Lock()

    def add(self, texts: Iterable[str]) -> None:
        """Add texts. Takes a second per megabyte; may be called from any thread."""
        for text in texts:
            name = digest(text)
            if name not in self._texts:
                tokens = np.array(self._encoder.tokens(text[:_LONGEST_TEXT]), np.int32)
                with self._lock:
                    self._texts[name] = tokens
                    self._joined.clear()
                    self._version += 1

    def of(self, names: Sequence[str]) -> NgramIndex:
        """An index of those of the named texts that are present, for Recall."""
        if not names:
            return EMPTY
        key = tuple(names)
        with self._lock:
            found = self._joined.get(key)
            if found is not None:
                return found
            texts, version = self._named(names), self._version
        # Sorting millions of tokens takes a second; others need not wait for it.
        index = NgramIndex(texts)
        with self._lock:
            if version == self._version:
                self._joined[key] = index
        return index

    def _named(self, names: Sequence[str]) -> list[Tokens]:
        """The present texts, as many as an index may hold. Called with the lock."""
        texts, size = [], 0
        for name in names:
            text = self._texts.get(name)
            if text is not None and size + len(text) <= _LONGEST_INDEX:
                texts.append(text)
                size += len(text)
        return texts


def _share(index: NgramIndex) -> int:
    """The share of `_KEPT_TOKENS` that a cached index takes, so that there are at most `_KEPT`."""
    return max(len(index), _KEPT_TOKENS // _KEPT)
