"""Matches gitignore patterns as git does, in time linear in the path, so that no rule can hang the server.

Paths are UTF-8 bytes read as Latin-1, since git's `?` and `[…]` match bytes. Source of the rules: gitignore(5) and
git's wildmatch.c. pathspec is not used because its expressions backtrack.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from aix_lsp.privacy.wildmatch import expression

MOST_WILD = 2048
"""Patterns per file that are neither a plain name nor a file extension; each needs a regular expression."""
MOST_RULES = 50_000
"""Per file."""
_LONGEST = 1024
_SPECIAL = re.compile(r"[*?\[\\]")


class TooMany(Exception):
    """A file has more rules than we match, so what it ignores is unknown."""


class Rule(NamedTuple):
    """One line of an ignore file."""

    pattern: str
    """Without "!", slashes at either end, and trailing spaces."""
    allows: bool
    folders_only: bool
    anchored: bool
    """Whether it is matched against the whole path below its file, rather than against a name at any depth."""
    line: int
    """1-based."""


@dataclass(frozen=True, slots=True)
class RuleMatch:
    """The last rule that matches a path, which decides."""

    rule: Rule
    order: int

    @property
    def ignores(self) -> bool:
        return not self.rule.allows


def as_bytes(path: str) -> str:
    """A path in the form that patterns are matched against."""
    if path.isascii():
        return path
    try:
        return path.encode("utf-8", "surrogateescape").decode("latin-1")
    except UnicodeEncodeError:
        return path.encode("utf-8", "replace").decode("latin-1")


def parse(text: str) -> list[Rule]:
    """The rules in an ignore file's text. Raises TooMany."""
    rules = []
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), 1):
        # Git's lines are C strings, so a zero byte ends them.
        rule = _rule(line.removesuffix("\r").partition("\0")[0], number)
        if rule is not None:
            rules.append(rule)
            if len(rules) > MOST_RULES:
                raise TooMany(f"has more than {MOST_RULES:,} rules")
    return rules


def _rule(line: str, number: int) -> Rule | None:
    if not line or line.startswith("#"):
        return None
    line = _without_trailing_spaces(line)
    allows = line.startswith("!")
    pattern = line[allows:]
    folders_only = pattern.endswith("/")
    pattern = pattern[: len(pattern) - folders_only]
    anchored = "/" in pattern
    pattern = pattern.removeprefix("/")
    if not pattern and not anchored:
        return None
    return Rule(as_bytes(pattern), allows, folders_only, anchored, number)


def _without_trailing_spaces(line: str) -> str:
    """Remove trailing spaces, except one that a backslash protects."""
    kept = line.rstrip(" ")
    if len(kept) == len(line):
        return line
    backslashes = len(kept) - len(kept.rstrip("\\"))
    return kept + " " if backslashes % 2 else kept


class Rules:
    """The rules of one file: looked up by name where possible, otherwise tried from the last to the first."""

    def __init__(self, rules: Sequence[Rule], ignore_case: bool = False) -> None:
        """Raises TooMany."""
        self._ignore_case = ignore_case
        self._by_name: dict[str, list[tuple[int, Rule]]] = {}
        self._by_path: dict[str, list[tuple[int, Rule]]] = {}
        self._by_ending: dict[str, list[tuple[int, Rule]]] = {}
        self._wild: list[tuple[int, Rule]] = []
        for order, rule in enumerate(rules):
            self._add(order, rule)
        self._wild.reverse()
        self.size = len(rules)

    def _add(self, order: int, rule: Rule) -> None:
        pattern = self._folded(rule.pattern)
        if not _SPECIAL.search(pattern):
            where = self._by_path if rule.anchored else self._by_name
            where.setdefault(pattern, []).append((order, rule))
        elif not rule.anchored and _is_ending(pattern):
            self._by_ending.setdefault(pattern[1:], []).append((order, rule))
        elif len(self._wild) == MOST_WILD:
            raise TooMany(f"has more than {MOST_WILD:,} patterns with wildcards")
        elif len(pattern) <= _LONGEST:
            self._wild.append((order, rule._replace(pattern=pattern)))
        else:
            raise TooMany(f"has a pattern of more than {_LONGEST:,} characters (line {rule.line})")

    @property
    def wild(self) -> int:
        """The number of patterns that are tried one by one."""
        return len(self._wild)

    def match(self, path: str, is_folder: bool) -> RuleMatch | None:
        """The last rule that matches a path below the file (see `as_bytes`), or None."""
        path = self._folded(path)
        name = path[path.rfind("/") + 1 :]
        found = [*self._by_name.get(name, ()), *self._by_path.get(path, ())]
        if self._by_ending:
            for start in range(len(name)):
                found += self._by_ending.get(name[start:], ())
        best = max((each for each in found if is_folder or not each[1].folders_only), default=None)
        for order, rule in self._wild:
            if best is not None and order < best[0]:
                break
            if (is_folder or not rule.folders_only) and _fits(rule, path if rule.anchored else name):
                best = order, rule
                break
        return RuleMatch(best[1], best[0]) if best is not None else None

    def _folded(self, string: str) -> str:
        return string.lower() if self._ignore_case else string


def _is_ending(pattern: str) -> bool:
    return pattern.startswith("*") and len(pattern) > 1 and not _SPECIAL.search(pattern, 1)


def _fits(rule: Rule, path: str) -> bool:
    wanted = expression(rule.pattern, rule.anchored)
    return wanted is not None and wanted.match(path) is not None
