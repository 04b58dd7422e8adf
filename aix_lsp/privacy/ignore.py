"""Finds out which files are ignored: by `.gitignore` with git's semantics, and by the ignore files of AI tools.

Git's part reads `.gitignore` files from the top of the working tree down, then `info/exclude`, then
`core.excludesFile`, for every repository around a file, from the innermost to that of the workspace folder; outer ones
can only ignore more. Never runs git.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from cachetools import LRUCache, TTLCache

from aix_lsp.files import Unreadable
from aix_lsp.privacy.gitconfig import Repository, ignore_config, repository_at, text_of
from aix_lsp.privacy.globs import MOST_WILD, Rule, Rules, TooMany, as_bytes, parse

log = logging.getLogger(__name__)

K = TypeVar("K")
V = TypeVar("V")

OURS = (
    *(".aixignore", ".aiignore", ".aiexclude", ".cursorignore", ".codeiumignore", ".copilotignore"),
    *(".geminiignore", ".clineignore", ".rooignore", ".aiderignore", ".tabnineignore"),
)
"""Our ignore file, and those of other AI tools. What one of them ignores, no other can allow."""
_MOST_WILD_AROUND = 2 * MOST_WILD
"""In all ignore files above one file."""
_REMEMBERED_S = 5.0


@dataclass(frozen=True, slots=True)
class Ignored:
    """The rule that ignores a file, or the reason why its rules cannot be determined."""

    file: Path
    line: int
    """1-based; 0 if the file cannot be read completely."""
    pattern: str
    problem: str = ""

    def __str__(self) -> str:
        if self.problem:
            return f"{self.file} cannot be applied ({self.problem})"
        return f"{self.file}:{self.line} ({self.pattern})"


def remembered(cache: MutableMapping[K, V], key: K, find: Callable[[], V]) -> V:
    """A cache's entry, computed and stored if missing. Looks it up only once: an entry found by `in` may have expired
    by the time it is read.
    """
    try:
        return cache[key]
    except KeyError:
        value = cache[key] = find()
        return value


_MOST_RULES = 200_000
"""Cached rules (plus files) in all: about 30 MiB."""


class IgnoreFiles:
    """The ignore files of all folders, reread when they change; whether a folder is ignored is cached for a while."""

    def __init__(self) -> None:
        self._rules: LRUCache[tuple[Path, bool], tuple[tuple[int, int, int], _Loaded]] = LRUCache(
            _MOST_RULES, getsizeof=lambda entry: 1 + (entry[1].size if isinstance(entry[1], Rules) else 0)
        )
        self._folders: TTLCache[tuple[_View, Path], Ignored | None] = TTLCache(
            16384, _REMEMBERED_S, time.monotonic
        )
        self._views: TTLCache[tuple[Path, Path | None], tuple[_View, ...]] = TTLCache(
            4096, _REMEMBERED_S, time.monotonic
        )

    def ignored(self, path: Path, root: Path | None, is_folder: bool = False) -> Ignored | None:
        """The rule that ignores a file or a folder above it, or None.

        `root` is the workspace folder that contains the path. Neither path is resolved here.
        """
        if path.parent == path:
            return None
        key = (path.parent, root)
        for view in remembered(self._views, key, lambda: tuple(_views(*key))):
            found = self._in_view(view, path, is_folder)
            if found is not None:
                return found
        return None

    def _in_view(self, view: _View, path: Path, is_folder: bool) -> Ignored | None:
        """Folders are checked from the top: nothing inside an ignored folder can be allowed again."""
        try:
            below = path.relative_to(view.top)
        except ValueError:
            return None
        chain = [path, *list(path.parents)[: len(below.parts) - 1]]
        found: Ignored | None = None
        for inner in reversed(chain):
            if inner is path and not is_folder:
                return found or self._one(view, path, False)
            found = remembered(self._folders, (view, inner), partial(self._folder, found, view, inner))
        return found

    def _folder(self, around: Ignored | None, view: _View, folder: Path) -> Ignored | None:
        return around or self._one(view, folder, True)

    def _one(self, view: _View, path: Path, is_folder: bool) -> Ignored | None:
        """The verdict on one path, regardless of the folders above it. The deepest file wins."""
        wild = 0
        for base, file, follow in view.files_for(path):
            loaded = self._load(file, view.ignore_case, follow)
            if loaded is None:
                continue
            if isinstance(loaded, str):
                return Ignored(file, 0, "", loaded)
            wild += loaded.wild
            if wild > _MOST_WILD_AROUND:
                return Ignored(
                    file, 0, "", f"more than {_MOST_WILD_AROUND:,} patterns with wildcards around it"
                )
            match = loaded.match(as_bytes(path.relative_to(base).as_posix()), is_folder)
            if match is not None:
                return Ignored(file, match.rule.line, _written(match.rule)) if match.ignores else None
        return None

    def _load(self, file: Path, ignore_case: bool, follow: bool) -> _Loaded:
        """A file's rules; None if there is no file, a message if they cannot be determined."""
        try:
            info = file.stat() if follow else file.lstat()
        except (OSError, ValueError):
            return None
        stamp = (info.st_mtime_ns, info.st_size, info.st_ino)
        key = (file, ignore_case)
        known = self._rules.get(key)
        if known is None or known[0] != stamp:
            known = self._rules[key] = (stamp, _read(file, ignore_case, follow))
        return known[1]


_Loaded = Rules | str | None


@dataclass(frozen=True)
class _View:
    """Ignore files that apply together: those of a repository, or all files of one name."""

    top: Path
    names: tuple[str, ...]
    more: tuple[Path, ...] = ()
    """Files whose patterns are relative to the top and yield to those in the tree."""
    ignore_case: bool = False
    follow: bool = False
    """Whether to follow ignore files that are links; git does not follow its own."""

    def files_for(self, path: Path) -> Iterator[tuple[Path, Path, bool]]:
        """(folder that its patterns are relative to, ignore file, whether to follow it), the strongest first."""
        for folder in path.parents:
            for name in self.names:
                yield folder, folder / name, self.follow
            if folder == self.top:
                break
        for file in self.more:
            yield self.top, file, True


def _views(folder: Path, root: Path | None) -> Iterator[_View]:
    tops = _tops(folder, root)
    for top, repository in tops:
        config = ignore_config(repository)
        inside = (repository.exclude_file,) if repository is not None else ()
        ignore_case = config.ignore_case or _ignores_case(top)
        first, *others = config.excludes or (Path(os.devnull),)
        yield _View(top, (".gitignore",), (*inside, first), ignore_case)
        for other in others:
            yield _View(top, (), (other,), ignore_case)
    outermost = tops[-1][0]
    ignore_case = _ignores_case(outermost)
    for name in OURS:
        yield _View(outermost, (name,), (), ignore_case, follow=True)


def _tops(folder: Path, root: Path | None) -> Sequence[tuple[Path, Repository | None]]:
    """The tops of the repositories around a folder, innermost first, up to the one that contains the workspace folder.

    Without a repository, the workspace folder; without that, the folder alone.
    """
    found: list[tuple[Path, Repository | None]] = []
    for each in (folder, *folder.parents):
        repository = repository_at(each)
        if repository is not None:
            found.append((each, repository))
        if root is None:
            if found:
                break
        elif root.is_relative_to(each) and found and root.is_relative_to(found[-1][0]):
            break
    if root is not None and not any(root.is_relative_to(top) for top, _ in found):
        found.append((root, None))
    return found or [(folder, None)]


def _ignores_case(folder: Path) -> bool:
    """Whether the file system ignores case."""
    swapped = folder.with_name(folder.name.swapcase())
    try:
        return swapped.name != folder.name and folder.samefile(swapped)
    except (OSError, ValueError):
        return False


def _read(file: Path, ignore_case: bool, follow: bool) -> _Loaded:
    try:
        text = text_of(file) if follow or not file.is_symlink() else None
        return Rules(parse(text), ignore_case) if text is not None else None
    except (TooMany, Unreadable) as error:
        log.warning("%s %s: no file that it covers is sent", file, error)
        return str(error)


def _written(rule: Rule) -> str:
    pattern = rule.pattern.encode("latin-1").decode("utf-8", "replace")
    start = "/" if rule.anchored and "/" not in pattern else ""
    return f"{'!' if rule.allows else ''}{start}{pattern}{'/' if rule.folders_only else ''}"
