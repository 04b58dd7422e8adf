"""Reads a workspace folder's index and files: returns only current text, and only from files that may be read."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from cachetools import LRUCache

from aix_lsp.completion.context.files import read_source
from aix_lsp.completion.context.index.chunks import Definition, Location, Stamp, identifiers
from aix_lsp.completion.context.index.scan import Gate, stamp_of
from aix_lsp.completion.context.index.store import Store

_NEAR_BEFORE, _NEAR_AFTER = 800, 200
OUTLINE_LINES = 14


@dataclass(frozen=True)
class Query:
    """The text at a cursor; `path` is relative to the workspace folder."""

    path: str
    language: str
    head: str
    """The document's first lines, where its imports are."""
    before: str
    after: str

    @property
    def near(self) -> str:
        """The text next to the cursor, which the next lines are likely to be about."""
        return self.before[-_NEAR_BEFORE:] + "\n" + self.after[:_NEAR_AFTER]

    @cached_property
    def names(self) -> list[str]:
        """The identifiers around the cursor, each once, nearest first."""
        before = list(identifiers(self.before[-_NEAR_BEFORE:]))
        after = list(identifiers(self.after[:_NEAR_AFTER]))
        return list(dict.fromkeys([*reversed(before), *after]))


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Some lines of a file; `placeholders` are the strings that replace their secrets."""

    path: str
    text: str
    placeholders: tuple[str, ...] = ()


class IndexReader:
    """Looks up code and signatures for the searches."""

    def __init__(self, store: Store, gate: Gate) -> None:
        self.store = store
        self.gate = gate
        self.stale: set[str] = set()
        """Files found to have changed since they were indexed."""
        self._texts: LRUCache[tuple[str, Stamp], _Lines] = LRUCache(64)

    def excerpt(self, found: Location) -> Excerpt | None:
        """The found lines; None if they may not be read or have changed."""
        read = self._read(found.path, found.stamp)
        return read.excerpt(found.path, "\n".join(read.lines[found.first : found.end]).strip("\n"))

    def outline(self, path: str, names: Collection[str], used: Iterable[str] = ()) -> Excerpt | None:
        """The signatures of a file's definitions: those of `names` and their members, or all if `names` is empty.

        If that is too much, those in `used` take precedence.
        """
        known = self.store.definitions_of(path)
        if known is None:
            return None
        read = self._read(path, known[0])
        if not read.lines:
            return None
        wanted = [d for d in known[1] if not names or d.name in names or d.owner in names]
        signatures = _signatures(read.lines, _most_informative(wanted, names, set(used)))
        return read.excerpt(path, "\n".join(signatures))

    def _read(self, path: str, stamp: Stamp) -> _Lines:
        """The file as it was indexed; no lines if it may not be read or has changed."""
        if not self.gate.admits(path) or stamp_of(self.gate.root / path) != stamp:
            self.stale.add(path)
            return _NOTHING
        if (path, stamp) not in self._texts:
            source = read_source(self.gate.root / path)
            read = _Lines(source.text.split("\n"), source.placeholders) if source else _NOTHING
            self._texts[path, stamp] = read
        return self._texts[path, stamp]


class _Lines(NamedTuple):
    """A file's lines, as read."""

    lines: list[str]
    placeholders: tuple[str, ...] = ()

    def excerpt(self, path: str, text: str) -> Excerpt | None:
        """A part of the file; None if it is blank."""
        if not text.strip():
            return None
        return Excerpt(path, text, tuple(each for each in self.placeholders if each in text))


_NOTHING = _Lines([])


def _most_informative(wanted: list[Definition], names: Collection[str], used: set[str]) -> list[Definition]:
    """The most informative definitions, as many as an outline has room for, in the file's order."""

    def worth(definition: Definition) -> tuple[bool, bool, bool]:
        private = definition.name.startswith("_") and definition.name != "__init__"
        return definition.name in names, definition.name in used, not private

    room, chosen = OUTLINE_LINES, []
    for definition in sorted(wanted, key=worth, reverse=True):
        size = definition.last - definition.first + 1
        if size <= room:
            room -= size
            chosen.append(definition)
    return sorted(chosen, key=lambda d: d.first)


def _signatures(lines: list[str], chosen: list[Definition]) -> Iterable[str]:
    shown = -1
    for definition in chosen:
        for at in range(max(definition.first, shown + 1), min(definition.last + 1, len(lines))):
            yield lines[at].rstrip()
            shown = at
