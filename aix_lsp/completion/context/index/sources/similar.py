"""Chunks of other files with the words that stand around the cursor, by BM25."""

from __future__ import annotations

from collections.abc import Iterator

from aix_lsp.completion.context.index.reader import Excerpt, Library, Query
from aix_lsp.completion.context.index.words import words

_REACHES = ((250, 100), (1000, 300))
"""Characters before and after the cursor whose words are looked for; the farther ones where the nearer tell too
little. 250 found a third more of the names to come than 1500 (`python -m benchmarks.context_coverage`)."""
_ENOUGH_WORDS = 4
_MOST_WORDS = 24
_LOOKED_AT = 16


def find(query: Query, library: Library) -> Iterator[Excerpt]:
    """Chunks in the query's language."""
    telling: list[str] = []
    for before, after in _REACHES:
        near = query.before[-before:] + "\n" + query.after[:after]
        telling = library.store.telling(list(words(near)))[:_MOST_WORDS]
        if len(telling) >= _ENOUGH_WORDS:
            break
    for found in library.store.matching(telling, query.language, _LOOKED_AT):
        if found.path != query.path and (excerpt := library.excerpt(found)) is not None:
            yield excerpt
