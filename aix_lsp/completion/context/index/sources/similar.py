"""Chunks of other files with the words that stand around the cursor, by BM25."""

from __future__ import annotations

from collections.abc import Iterator

from aix_lsp.completion.context.index.library import Excerpt, Library, Query
from aix_lsp.completion.context.index.words import words

_MOST_WORDS = 24
_LOOKED_AT = 16


def find(query: Query, library: Library) -> Iterator[Excerpt]:
    """Chunks in the query's language."""
    telling = library.store.telling(list(words(query.near)))[:_MOST_WORDS]
    for found in library.store.matching(telling, query.language, _LOOKED_AT):
        if found.path != query.path and (excerpt := library.excerpt(found)) is not None:
            yield excerpt
