"""The corpus: texts near clients' documents, as tokens, by digest. Knows no files, no models and no requests' fields.

A client sends each text once and names it by its digest from then on: a keystroke's request stays small.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence

import numpy as np

from aix_lsp.engine.scheduling.ngram_index import EMPTY, NgramIndex, Tokens
from aix_lsp.engine.text.encoder import TextEncoder

_MOST_TOKENS = 4_000_000
"""Of all texts; those not looked at for longest go."""
_LONGEST_TEXT = 1 << 20
_KEPT = 16
_LONGEST_INDEX = 1_000_000
"""Tokens that one request searches, the first texts it names; each takes 20 bytes of an index."""
_KEPT_TOKENS = 2_000_000
"""Of all indexes that are kept."""


def digest(text: str) -> str:
    """What a text is called: 128 bits of its SHA-256 in hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()[:32]


class Corpus:
    """The texts of all clients. Whoever knows a text's name knows the text."""

    def __init__(self, encoder: TextEncoder, most_tokens: int = _MOST_TOKENS) -> None:
        self._encoder = encoder
        self._most = most_tokens
        self._size = 0
        self._version = 0
        """Counts the changes to the texts."""
        self._texts: OrderedDict[str, Tokens] = OrderedDict()
        self._joined: OrderedDict[tuple[str, ...], NgramIndex] = OrderedDict()
        self._joined_size = 0
        self._lock = threading.Lock()

    def add(self, texts: Iterable[str]) -> None:
        """Take in texts. Takes a second a megabyte, and may be called from any thread."""
        for text in texts:
            name = digest(text)
            if name not in self._texts:
                self._put(name, np.array(self._encoder.tokens(text[:_LONGEST_TEXT]), np.int32))

    def _put(self, name: str, tokens: Tokens) -> None:
        with self._lock:
            self._size += len(tokens) - len(self._texts.pop(name, ()))
            self._texts[name] = tokens
            while self._size > self._most and len(self._texts) > 1:
                _, dropped = self._texts.popitem(last=False)
                self._size -= len(dropped)
            self._joined.clear()
            self._joined_size = 0
            self._version += 1

    def of(self, names: Sequence[str]) -> NgramIndex:
        """The texts of these names that are here, as Recall takes them."""
        if not names:
            return EMPTY
        key = tuple(names)
        with self._lock:
            found = self._joined.get(key)
            if found is not None:
                self._joined.move_to_end(key)
                return found
            texts = self._named(names)
            version = self._version
        # Sorting millions of tokens takes a second; nobody else has to wait for it.
        index = NgramIndex(texts)
        with self._lock:
            if version == self._version:
                self._keep(key, index)
        return index

    def _named(self, names: Sequence[str]) -> list[Tokens]:
        """The texts that are here, as many as one index may hold. With the lock."""
        texts, size = [], 0
        for name in names:
            text = self._texts.get(name)
            if text is not None and size + len(text) <= _LONGEST_INDEX:
                self._texts.move_to_end(name)
                texts.append(text)
                size += len(text)
        return texts

    def _keep(self, key: tuple[str, ...], index: NgramIndex) -> None:
        """Keep an index, and drop those not used for longest. With the lock."""
        self._joined_size += len(index) - len(self._joined.pop(key, ()))
        self._joined[key] = index
        while len(self._joined) > _KEPT or (self._joined_size > _KEPT_TOKENS and len(self._joined) > 1):
            _, dropped = self._joined.popitem(last=False)
            self._joined_size -= len(dropped)
