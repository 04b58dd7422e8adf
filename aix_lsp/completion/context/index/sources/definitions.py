"""Signatures of the names that are used around the cursor, where other files define them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from aix_lsp.completion.context.index.reader import Excerpt, Library, Query
from aix_lsp.completion.context.nearness import nearness
from aix_lsp.languages import related

_LOOKED_UP = 40
_AMBIGUOUS = 6
"""A name with more definitions, such as `get` or `run`, says nothing."""
_USES = re.compile(r"(\.|->|::)?\b([^\W\d]\w{2,63})(?=\s*([(<{])?)")
_MEMBER, _PLAIN = True, False


def find(query: Query, library: Library) -> Iterator[Excerpt]:
    """One definition a name, the nearest; those of names next to the cursor first."""
    outlined: set[str] = set()
    for name, is_member in list(uses(query))[:_LOOKED_UP]:
        places = [
            found
            for found, owner in library.store.defining(name, _AMBIGUOUS)
            if found.path != query.path
            and bool(owner) == is_member
            and related(found.language, query.language)
        ]
        if not places:
            continue
        found = max(places, key=lambda found: nearness(found.path, query.path))
        if found.path not in outlined and (excerpt := library.outline(found.path, {name}, query.names)):
            outlined.add(found.path)
            yield excerpt


def uses(query: Query) -> dict[tuple[str, bool], None]:
    """(name, whether it is used as a member of something), those next to the cursor first.

    Of plain names only those that are called or capitalised: others are mostly variables of the place itself.
    """
    found = []
    for dot, name, call in reversed(_USES.findall(query.near)):
        if dot:
            found.append((name, _MEMBER))
        elif call or name[0].isupper():
            found.append((name, _PLAIN))
    return dict.fromkeys(found)
