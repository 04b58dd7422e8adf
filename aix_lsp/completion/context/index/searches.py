"""The searches of the index: each is a function of the query and the index, and returns the best results first."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import PurePosixPath

from aix_lsp.completion.context.files import nearness
from aix_lsp.completion.context.index import imports
from aix_lsp.completion.context.index.chunks import words
from aix_lsp.completion.context.index.reader import Excerpt, IndexReader, Query
from aix_lsp.languages import indexed_language, related

_LOOKED_UP = 40
_AMBIGUOUS = 6
"""A name with more definitions than this, such as `get` or `run`, is not informative."""
_USES = re.compile(r"(\.|->|::)?\b([^\W\d]\w{2,63})(?=\s*([(<{])?)")
_MEMBER, _PLAIN = True, False

_TEST = re.compile(r"^(?:test_(?P<a>\w+)|(?P<b>\w+)_(?:test|spec)|(?P<c>\w+?)(?:Tests?|Spec))$")
_FORMS = ("test_{}", "{}_test", "{}_spec", "{}Test", "{}Tests", "{}Spec")
_MOST_SIBLINGS = 2
_REACHES = ((250, 100), (1000, 300))
"""Characters before and after the cursor whose words are searched for; the second pair if the first has too few. 250
found a third more of the names to come than 1500 (`python -m benchmarks.context_coverage`)."""
_ENOUGH_WORDS = 4
_MOST_WORDS = 24
_LOOKED_AT = 16
Find = Callable[[Query, IndexReader], Iterable[Excerpt]]
MOST = 6
"""The most snippets from one source."""


def _definitions(query: Query, index: IndexReader) -> Iterator[Excerpt]:
    """One definition per name, the nearest; names next to the cursor first."""
    outlined: set[str] = set()
    for name, is_member in list(uses(query))[:_LOOKED_UP]:
        places = [
            found
            for found, owner in index.store.defining(name, _AMBIGUOUS)
            if found.path != query.path
            and bool(owner) == is_member
            and related(found.language, query.language)
        ]
        if not places:
            continue
        found = max(places, key=lambda found: nearness(found.path, query.path))
        if found.path not in outlined and (excerpt := index.outline(found.path, {name}, query.names)):
            outlined.add(found.path)
            yield excerpt


def uses(query: Query) -> dict[tuple[str, bool], None]:
    """(name, whether it is used as a member of something), nearest to the cursor first.

    Plain names count only if they are called or capitalised: others are mostly local variables.
    """
    found = []
    for dot, name, call in reversed(_USES.findall(query.near)):
        if dot:
            found.append((name, _MEMBER))
        elif call or name[0].isupper():
            found.append((name, _PLAIN))
    return dict.fromkeys(found)


def _siblings(query: Query, index: IndexReader) -> Iterator[Excerpt]:
    """Signatures from the file's nearest counterparts."""
    paths = [
        path
        for stem in counterparts(PurePosixPath(query.path).name.partition(".")[0])
        for path in index.store.named(stem)
        if path != query.path and related(indexed_language(path), query.language)
    ]
    paths.sort(key=lambda path: nearness(path, query.path), reverse=True)
    found = (index.outline(path, (), query.names) for path in paths[:_MOST_SIBLINGS])
    yield from (excerpt for excerpt in found if excerpt is not None)


def counterparts(stem: str) -> list[str]:
    """The stems of a file's counterparts; its own is one, as `a.h` and `a.test.ts` have it."""
    tested = _TEST.match(stem)
    if tested is not None:
        return [next(group for group in tested.groups() if group), stem]
    return [stem, *(form.format(stem) for form in _FORMS)]


def _similar(query: Query, index: IndexReader) -> Iterator[Excerpt]:
    """Chunks in the query's language."""
    informative: list[str] = []
    for before, after in _REACHES:
        near = query.before[-before:] + "\n" + query.after[:after]
        informative = index.store.informative(list(words(near)))[:_MOST_WORDS]
        if len(informative) >= _ENOUGH_WORDS:
            break
    for found in index.store.matching(informative, query.language, _LOOKED_AT):
        if found.path != query.path and (excerpt := index.excerpt(found)) is not None:
            yield excerpt


SEARCHES: dict[str, Find] = {
    "imports": imports.search,
    "siblings": _siblings,
    "definitions": _definitions,
    "similar": _similar,
}
