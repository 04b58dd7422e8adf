"""Decides whether a text may be sent, for documents, context, recall and the index on disk: the only place that does.

A file is judged twice, by the path as given and by the real path behind links. Less trusted settings can only forbid:
a project's `!` patterns never get here (see aix_lsp/settings).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

from cachetools import TTLCache

from aix_lsp.privacy.globs import Rules, TooMany, as_bytes, parse
from aix_lsp.privacy.ignore import IgnoreFiles, remembered
from aix_lsp.privacy.names import sensitive
from aix_lsp.roots import RootFinder
from aix_lsp.settings import Settings
from aix_lsp.uris import parse_uri, revised_paths, true_case

_REMEMBERED_S = 5.0

Kind = Literal["setting", "name", "ignored", "outside", "unknown"]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a file must not be sent."""

    kind: Kind
    reason: str
    """For the user to read."""
    rule: str = ""
    """The pattern that decides, as written."""
    file: Path | None = None
    """Where the rule is; None for a setting or the table of names."""
    line: int = 0
    """1-based; 0 if unknown."""


class Privacy:
    """Answers by URI, cached for a few seconds: every keystroke asks about its file."""

    def __init__(self, roots: Callable[[], Sequence[Path]] = tuple) -> None:
        """`roots` gives the workspace folders."""
        self._roots = roots
        self._ignored = IgnoreFiles()
        self._answers: TTLCache[tuple[object, ...], Refusal | None] = TTLCache(
            4096, _REMEMBERED_S, time.monotonic
        )
        self._roots_found = RootFinder(follow=False)

    def inactive_reason(self, uri: str, settings: Settings) -> str | None:
        """Why nothing of a document may be sent, for its user to read; None if it may."""
        refusal = self.refusal(uri, settings)
        return refusal.reason if refusal is not None else None

    def refusal(self, uri: str, settings: Settings) -> Refusal | None:
        """Why nothing of a document may be sent, with the rule that decides; None if it may."""
        roots = tuple(self._roots())
        key = (uri, tuple(settings.exclude), roots)
        return remembered(self._answers, key, lambda: self._judge(uri, tuple(settings.exclude), roots))

    def ignores_folder(self, folder: Path) -> bool:
        """Whether ignore files exclude everything in a folder, so that it need not be searched."""
        try:
            found = self._roots_found.find(folder, tuple(self._roots()))
            return self._ignored.ignored(folder, found[0] if found else None, is_folder=True) is not None
        except (OSError, ValueError):
            return True

    def _judge(self, uri: str, exclude: tuple[str, ...], roots: tuple[Path, ...]) -> Refusal | None:
        try:
            named = parse_uri(uri)
            if named.file is not None:
                return self._judge_path(named.file, True, exclude, roots)
            if named.path is None:
                return None
            # The file is not on this machine: the same names and rules are the best guess.
            refusals = (
                self._judge_path(Path(path), False, exclude, roots)
                for path in (named.path, *revised_paths(named.path))
            )
            return next(filter(None, refusals), None)
        except (OSError, ValueError, TooMany) as error:
            return Refusal("unknown", f"it is not known whether it may be sent: {error}")

    def _judge_path(
        self, path: Path, is_file: bool, exclude: tuple[str, ...], roots: tuple[Path, ...]
    ) -> Refusal | None:
        found = self._roots_found.find(path, roots)
        as_given = _Named(found[0] / found[1], found[0], found[1]) if found else _Named.alone(path)
        refusal = self._judge_name(as_given, exclude)
        if refusal is not None or not path.is_absolute():
            return refusal
        real = true_case(Path(os.path.realpath(path)))
        if real == as_given.path:
            return None
        found = self._roots_found.find(real, roots)
        is_outside = is_file and as_given.root is not None and found is None
        if (
            is_outside
            and _chosen(exclude, as_given) is not False
            and _chosen(exclude, _Named.alone(real)) is not False
        ):
            return Refusal(
                "outside",
                f'{path.name} is a link to {real}, outside of the workspace; "!{as_given.below}" in your setting '
                '"aix.exclude" allows it',
                file=real,
            )
        named = _Named(real, Path(os.path.realpath(found[0])), found[1]) if found else _Named.alone(real)
        return self._judge_name(named, exclude)

    def _judge_name(self, named: _Named, exclude: tuple[str, ...]) -> Refusal | None:
        path, below = named.path, named.below.as_posix()
        chosen = _chosen(exclude, named)
        if chosen is not None:
            return (
                Refusal("setting", f'{path.name} matches the setting "aix.exclude"', chosen)
                if chosen
                else None
            )
        match = sensitive(path)
        if match is not None:
            reason = f'{path.name} may hold secrets; "!{path.name}" in your setting "aix.exclude" allows it'
            return Refusal("name", reason, match.rule.pattern.removeprefix("**/"))
        ignored = self._ignored.ignored(path, named.root) if path.is_absolute() else None
        if ignored is not None:
            reason = f'ignored by {ignored}; "!{below}" in your setting "aix.exclude" allows it'
            return Refusal("ignored", reason, ignored.pattern, ignored.file, ignored.line)
        return None


@dataclass(frozen=True, slots=True)
class _Named:
    """One of a file's paths. Patterns are matched against `below`: relative to the workspace folder, or to the root."""

    path: Path
    root: Path | None
    below: Path

    @classmethod
    def alone(cls, path: Path) -> _Named:
        return cls(path, None, path.relative_to(path.anchor))


def _chosen(exclude: tuple[str, ...], named: _Named) -> str | Literal[False] | None:
    """The setting's verdict on a path or a folder above it: the pattern that forbids it, or False if it is allowed.

    None if no pattern matches. The last one that does decides.
    """
    if not exclude:
        return None
    rules, best = _rules(exclude), None
    parts = named.below.parts
    for end in range(1, len(parts) + 1):
        match = rules.match(as_bytes("/".join(parts[:end])), is_folder=end < len(parts))
        if match is not None and (best is None or match.order > best.order):
            best = match
    if best is None:
        return None
    return exclude[best.rule.line - 1] if best.ignores else False


@lru_cache(maxsize=64)
def _rules(exclude: tuple[str, ...]) -> Rules:
    """Raises TooMany."""
    return Rules(parse("\n".join(pattern.replace("\n", " ") for pattern in exclude)))
