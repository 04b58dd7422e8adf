"""Whether what is generated fits what was typed; generations by start position, found by looking back from a cursor.

What was typed since a generation began is the head of its text, so the place is found without knowing how the
cursor came there: by typing, accepting a part, backspacing or undoing. Knows nothing of backends.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterator
from typing import Generic, NamedTuple, TypeVar

from cachetools import TTLCache

from aix_lsp.completion.cursor import BEFORE, CursorContext
from aix_lsp.fim.closers import without_closers, without_leading

NEAR_BEFORE = 256
"""Characters before a place that must be the same; fewer at a document's start."""
NEAR_AFTER = 64
_TAIL = 12
MOST_TYPED_AHEAD = 24
"""How many characters a typist may be ahead of a running generation before it is given up."""
LOOK_BACK = BEFORE - NEAR_BEFORE
"""The longest text that can have been typed along."""

_PAIRED = re.compile(r"[)\]}>\"'`]{1,4}\Z")

T = TypeVar("T")


def compatible(produced: str, typed: str, running: bool) -> bool:
    """Whether `typed` is the head of `produced`, or, of a running generation, may yet become it.

    Brackets and quotes at the end of `typed` may be the editor's, which pairs them.
    """
    paired = _PAIRED.search(typed)
    shortest = paired.start() if paired else len(typed)
    for end in range(len(typed), shortest - 1, -1):
        form = typed[:end]
        if produced.startswith(form):
            return True
        if running and form.startswith(produced) and len(form) - len(produced) <= MOST_TYPED_AHEAD:
            return True
    return False


class ReuseKey(NamedTuple):
    """What makes two places the same: file, language, near text on both sides, settings of generation."""

    uri: str
    language: str
    before: str
    after: str
    settings_key: Hashable


class Hit(NamedTuple, Generic[T]):
    """A stored value, and what was typed since its place."""

    value: T
    typed: str


def reuse_key(cursor: CursorContext, settings_key: Hashable = None) -> ReuseKey:
    """The key of a cursor's place."""
    return ReuseKey(
        cursor.uri, cursor.language, cursor.before[-NEAR_BEFORE:], near_after(cursor.after), settings_key
    )


def near_after(after: str) -> str:
    """The part of the text right of a cursor that must be the same, without an editor's closers."""
    return without_closers(after[: 2 * NEAR_AFTER])[:NEAR_AFTER]


def near_after_forms(after: str) -> list[str]:
    """`near_after`, also as it was before the editor paired a bracket in mid-line; most likely first."""
    near = after[: 2 * NEAR_AFTER]
    return list(dict.fromkeys(map(near_after, (near, *without_leading(near)))))


class ReuseStore(Generic[T]):
    """A bounded store of values by place; the least recently used go first, and all after an idle while."""

    def __init__(self, clock: Callable[[], float], size: int = 512, seconds: float = 900.0) -> None:
        self._entries: TTLCache[ReuseKey, T] = TTLCache(size, seconds, clock)
        self._longest = MOST_TYPED_AHEAD
        # What is in the cache, and the last characters before each place. Hundreds of places are looked at
        # for a keystroke, and asking the cache about each takes 20 µs, where these take a fifth of one.
        self._known: set[ReuseKey] = set()
        self._tails: set[str] = set()

    def put(self, at: ReuseKey, value: T) -> None:
        """Store a value at a place, instead of what was there."""
        self._entries[at] = value
        if len(self._known) > 2 * self._entries.maxsize:
            self._known = set(self._entries)
            self._tails = {kept.before[-_TAIL:] for kept in self._known}
        self._known.add(at)
        self._tails.add(at.before[-_TAIL:])

    def grew(self, length: int) -> None:
        """Say that some value's text has this many characters; lookups go back as far as the longest."""
        self._longest = min(LOOK_BACK, max(self._longest, length + MOST_TYPED_AHEAD))

    def look_back(self, cursor: CursorContext, settings_key: Hashable = None) -> Iterator[Hit[T]]:
        """What was stored at the cursor's place and at those before it, nearest first.

        Whether what was typed since is the head of the value's text is for the caller to see.
        """
        if not self._entries:
            return
        before = cursor.before
        forms = near_after_forms(cursor.after)
        for back in range(min(self._longest, len(before)) + 1):
            end = len(before) - back
            if before[max(0, end - _TAIL) : end] not in self._tails:
                continue
            near = before[max(0, end - NEAR_BEFORE) : end]
            for after in forms:
                at = ReuseKey(cursor.uri, cursor.language, near, after, settings_key)
                if at in self._known and (value := self._entries.get(at)) is not None:
                    yield Hit(value, before[end:])

    def forget(self, uri: str) -> None:
        """Drop what belongs to one document."""
        for at in [at for at in self._entries if at.uri == uri]:
            self._entries.pop(at, None)

    def clear(self) -> None:
        """Drop everything."""
        self._entries.clear()
        self._known.clear()
        self._tails.clear()
        self._longest = MOST_TYPED_AHEAD
