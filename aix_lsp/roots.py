"""Finds the workspace folder that contains a path, however the two are spelt: through links, or in another case.

The one place that compares folders with paths, so that settings, privacy and context cannot disagree. Reads no files.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

from cachetools import TTLCache

_REMEMBERED_S = 5.0
ON_THE_LOOP_S = 1.0
"""How long a finder that is called on an event loop may wait for a file system."""

_Match = tuple[Path, Path] | None


class RootFinder:
    """Finds the innermost folder around a path. Answers are remembered for some seconds, by the path's folder."""

    def __init__(self, patience_s: float | None = None, *, follow: bool = True) -> None:
        """`patience_s`: how long an answer may take; after that, only the spelling of paths counts. None: forever.

        `follow`: whether a folder that is a link into one of the roots counts as inside.
        """
        self._patience_s = patience_s
        self._follow = follow
        self._asking: threading.Thread | None = None
        self._found: TTLCache[tuple[Path, tuple[Path, ...]], _Match] = TTLCache(
            4096, _REMEMBERED_S, time.monotonic
        )

    def find(self, path: Path, roots: Sequence[Path]) -> _Match:
        """The innermost of `roots` that contains or is the path, and the path relative to it; None if there is none."""
        if path in roots:
            return path, Path()
        key = (path.parent, tuple(roots))
        try:
            found = self._found[key]
        except KeyError:
            found = self._found[key] = self._find(*key)
        return (found[0], found[1] / path.name) if found is not None else None

    def _find(self, folder: Path, roots: tuple[Path, ...]) -> _Match:
        if not roots:
            return None
        if self._patience_s is None:
            return self._on_disk(folder, roots)
        found: list[_Match] = []
        if self._asking is None or not self._asking.is_alive():
            self._asking = threading.Thread(
                target=lambda: found.append(self._on_disk(folder, roots)), name="roots", daemon=True
            )
            self._asking.start()
            self._asking.join(self._patience_s)
        if found:
            return found[0]
        return _innermost((root, folder.relative_to(root)) for root in roots if folder.is_relative_to(root))

    def _on_disk(self, folder: Path, roots: tuple[Path, ...]) -> _Match:
        places = [folder, Path(os.path.realpath(folder))] if self._follow else [folder]
        return _innermost(chain.from_iterable(_roots_of(place, roots) for place in places))


def _innermost(found: Iterator[tuple[Path, Path]]) -> _Match:
    return min(found, key=lambda each: len(each[1].parts), default=None)


def _roots_of(folder: Path, roots: Sequence[Path]) -> Iterator[tuple[Path, Path]]:
    """The roots that contain a folder, each with the folder's path relative to it."""
    for root in roots:
        if folder.is_relative_to(root):
            yield root, folder.relative_to(root)
            continue
        known = _identity(root)
        for around in (folder, *folder.parents) if known is not None else ():
            if _identity(around) == known:
                yield root, folder.relative_to(around)
                break


def _identity(folder: Path) -> tuple[int, int] | None:
    """A folder's identity, which is the same however it is spelt: through links, in another case, decomposed."""
    try:
        info = folder.stat()
    except (OSError, ValueError):
        return None
    return (info.st_dev, info.st_ino) if info.st_ino else None
