"""What finds pieces for a query: one source a module, each a function of the query and the library, best first."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from aix_lsp.completion.context.index.reader import Excerpt, Library, Query
from aix_lsp.completion.context.index.sources import definitions, imports, siblings, similar

Find = Callable[[Query, Library], Iterable[Excerpt]]

SEARCHES: dict[str, Find] = {
    "imports": imports.find,
    "siblings": siblings.find,
    "definitions": definitions.find,
    "similar": similar.find,
}
MOST = 6
"""Pieces that one source gives."""
