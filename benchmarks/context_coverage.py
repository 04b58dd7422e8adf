"""Measures what each source of context contributes, without a model: `python -m benchmarks.context_coverage FOLDER …`.

Three lines are hidden at places drawn from each folder's files. Of the names in them that the window around the place
does not contain, how many does the context contain? For each source alone, all of them, and all but each.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from aix_lsp.completion.context.files import read_source
from aix_lsp.completion.context.index.chunks import identifiers
from aix_lsp.completion.context.index.reader import IndexReader, Query
from aix_lsp.completion.context.index.scan import Gate, scan
from aix_lsp.completion.context.index.searches import MOST, SEARCHES
from aix_lsp.completion.context.index.store import Store
from aix_lsp.completion.context.snippets import Snippet, choose, size
from aix_lsp.grammars import parse
from aix_lsp.languages import indexed_language

_HIDDEN_LINES = 3
_PREFIX, _SUFFIX = 6000, 2000
_SHORTEST = 4


@dataclass(frozen=True)
class Hidden:
    """A place in a file, without the lines that were there."""

    query: Query
    hidden: frozenset[str]
    """Names in the hidden lines that do not occur around them."""


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--places", type=int, default=300, help="in each folder")
    parser.add_argument("--chars", type=int, default=2600, help="characters; a token counts as 2.6")
    arguments = parser.parse_args()
    wanted, held, lengths = 0, defaultdict[str, int](int), defaultdict[str, int](int)
    for folder in arguments.folders:
        for place, found in searched(folder.resolve(), arguments.places):
            wanted += len(place.hidden)
            for name, pieces in variants(found).items():
                chosen = choose(pieces, place.query.before + place.query.after, arguments.chars)
                text = "\n".join(piece.text for piece in chosen)
                held[name] += len(place.hidden & set(identifiers(text)))
                lengths[name] += sum(map(size, chosen))
        print(f"{folder}: {wanted} names so far", file=sys.stderr)
    print(f"{'sources':24} {'names held':>10} {'characters':>10}")
    for name, count in held.items():
        print(
            f"{name:24} {count / wanted:10.1%} {lengths[name] / arguments.places / len(arguments.folders):10.0f}"
        )


def variants(found: Sequence[Snippet]) -> dict[str, list[Snippet]]:
    """The excerpts of all sources, of each alone, and of all but each."""
    alone = {f"{name} alone": [p for p in found if p.source == name] for name in SEARCHES}
    without = {f"all but {name}": [p for p in found if p.source != name] for name in SEARCHES}
    return {"all": list(found)} | alone | without


def searched(root: Path, places: int) -> Iterator[tuple[Hidden, list[Snippet]]]:
    """Places in a folder's files, and what the sources find for them."""
    with tempfile.TemporaryDirectory(prefix="aix-coverage-") as folder:
        store = Store(Path(folder) / "index.db")
        try:
            gate = Gate(root, ())
            scan(store, gate, lambda done, of: None)
            index = IndexReader(store, gate)
            for place in drawn(root, sorted(path for path, _ in store.stamps()), places):
                yield place, list(_pieces(place.query, index))
        finally:
            store.close()


def drawn(root: Path, paths: Sequence[str], places: int) -> Iterator[Hidden]:
    """Places whose hidden lines use names that only other files can provide."""
    draw, found = random.Random(1), 0
    for _ in range(50 * places):
        if found == places:
            return
        path = draw.choice(paths)
        source = read_source(root / path)
        place = _place(path, source.text.split("\n") if source else [], draw)
        if place is not None and place.hidden:
            found += 1
            yield place


def _place(path: str, lines: list[str], draw: random.Random) -> Hidden | None:
    if len(lines) < 20:
        return None
    at = draw.randrange(10, len(lines) - _HIDDEN_LINES)
    before = "\n".join([*lines[:at], ""])[-_PREFIX:]
    after = "\n".join(lines[at + _HIDDEN_LINES :])[:_SUFFIX]
    hidden = _names(lines, at, path) - set(identifiers(before + after))
    names = frozenset(name for name in hidden if len(name) >= _SHORTEST)
    head = "\n".join(lines[:at])[:16384]
    return Hidden(Query(path, indexed_language(path), head, before, after), names)


def _names(lines: list[str], at: int, path: str) -> set[str]:
    """The names that code uses in the hidden lines, without words in comments and strings."""
    hidden = "\n".join(lines[at : at + _HIDDEN_LINES])
    tree = parse("\n".join(lines).encode(), indexed_language(path))
    if tree is None:
        return set(identifiers(hidden))
    found, nodes = set(), [tree.root_node]
    while nodes:
        node = nodes.pop()
        if node.start_point[0] < at + _HIDDEN_LINES and node.end_point[0] >= at:
            nodes += node.children
            if node.type.endswith("identifier") and node.text and at <= node.start_point[0]:
                found.add(node.text.decode("utf-8", "replace"))
    return found


def _pieces(query: Query, index: IndexReader) -> Iterator[Snippet]:
    for source, search in SEARCHES.items():
        for rank, excerpt in enumerate(islice(search(query, index), MOST)):
            yield Snippet(source, excerpt.path, excerpt.text, "", rank)  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
