"""The files that belong to the current one by their names: its tests or what it tests, its header or its source."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from aix_lsp.completion.context.index.reader import Excerpt, Library, Query
from aix_lsp.completion.context.nearness import nearness
from aix_lsp.languages import indexed_language, related

_TEST = re.compile(r"^(?:test_(?P<a>\w+)|(?P<b>\w+)_(?:test|spec)|(?P<c>\w+?)(?:Tests?|Spec))$")
_FORMS = ("test_{}", "{}_test", "{}_spec", "{}Test", "{}Tests", "{}Spec")
_MOST = 2


def find(query: Query, library: Library) -> Iterator[Excerpt]:
    """Signatures of the nearest of them."""
    paths = [
        path
        for stem in counterparts(PurePosixPath(query.path).name.partition(".")[0])
        for path in library.store.named(stem)
        if path != query.path and related(indexed_language(path), query.language)
    ]
    paths.sort(key=lambda path: nearness(path, query.path), reverse=True)
    found = (library.outline(path, (), query.names) for path in paths[:_MOST])
    yield from (excerpt for excerpt in found if excerpt is not None)


def counterparts(stem: str) -> list[str]:
    """The stems of a file's counterparts; its own is one, as `a.h` and `a.test.ts` have it."""
    tested = _TEST.match(stem)
    if tested is not None:
        return [next(group for group in tested.groups() if group), stem]
    return [stem, *(form.format(stem) for form in _FORMS)]
