"""Gitignore patterns, matched as git does and in time linear in the path: no rule can hang the server.

Paths are bytes of UTF-8 seen as Latin-1 text, since git's `?` and `[…]` take bytes. Source of the rules:
gitignore(5) and git's wildmatch.c. pathspec is not used because its expressions backtrack.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

MOST_WILD = 2048
"""Patterns of one file that are neither a plain name nor an ending; each costs an expression."""
MOST_RULES = 50_000
"""Of one file."""
_LONGEST = 1024
_SPECIAL = re.compile(r"[*?\[\\]")
_CLASSES = {
    "alnum": "a-zA-Z0-9",
    "alpha": "a-zA-Z",
    "blank": " \\t",
    "cntrl": "\\x00-\\x1f\\x7f",
    "digit": "0-9",
    "graph": "!-~",
    "lower": "a-z",
    "print": " -~",
    "punct": "!-/:-@\\[-`{-~",
    "space": "\\s",
    "upper": "A-Z",
    "xdigit": "0-9a-fA-F",
}


class TooMany(Exception):
    """More rules than are matched; what they would say is not known."""


class Rule(NamedTuple):
    """One line of an ignore file."""

    pattern: str
    """Without "!", the slash at either end, and trailing spaces."""
    allows: bool
    folders_only: bool
    anchored: bool
    """Whether it is matched against the whole path below its file, not against a name at any depth."""
    line: int
    """From 1."""


@dataclass(frozen=True, slots=True)
class Match:
    """The rule that speaks last about a path."""

    rule: Rule
    order: int

    @property
    def ignores(self) -> bool:
        return not self.rule.allows


def as_bytes(path: str) -> str:
    """A path as patterns see it."""
    if path.isascii():
        return path
    try:
        return path.encode("utf-8", "surrogateescape").decode("latin-1")
    except UnicodeEncodeError:
        return path.encode("utf-8", "replace").decode("latin-1")


def parse(text: str) -> list[Rule]:
    """The rules of an ignore file's text. Raises TooMany."""
    rules = []
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), 1):
        rule = _rule(line.removesuffix("\r"), number)
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
    """Trailing spaces go, but for one that a backslash keeps."""
    kept = line.rstrip(" ")
    if len(kept) == len(line):
        return line
    backslashes = len(kept) - len(kept.rstrip("\\"))
    return kept + " " if backslashes % 2 else kept


class Rules:
    """The rules of one file, found by name where that decides, else tried from the last to the first."""

    def __init__(self, rules: Iterable[Rule], ignore_case: bool = False) -> None:
        """Raises TooMany."""
        self._ignore_case = ignore_case
        self._by_name: dict[str, list[tuple[int, Rule]]] = {}
        self._by_path: dict[str, list[tuple[int, Rule]]] = {}
        self._by_ending: dict[str, list[tuple[int, Rule]]] = {}
        self._wild: list[tuple[int, Rule]] = []
        for order, rule in enumerate(rules):
            self._add(order, rule)
        self._wild.reverse()

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
        """How many patterns are tried one after the other."""
        return len(self._wild)

    def match(self, path: str, is_folder: bool) -> Match | None:
        """The last rule that fits a path below the file (see `as_bytes`); None where none does."""
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
        return Match(best[1], best[0]) if best is not None else None

    def _folded(self, string: str) -> str:
        return string.lower() if self._ignore_case else string


def _is_ending(pattern: str) -> bool:
    return pattern.startswith("*") and len(pattern) > 1 and not _SPECIAL.search(pattern, 1)


def _fits(rule: Rule, path: str) -> bool:
    expression = _expression(rule.pattern, rule.anchored)
    return expression is not None and expression.match(path) is not None


@lru_cache(maxsize=4 * MOST_WILD)
def _expression(pattern: str, anchored: bool) -> re.Pattern[str] | None:
    """None for a pattern that git matches with nothing."""
    special = _SPECIAL.search(pattern)
    head = pattern[: special.start()] if special else pattern
    body = _translate(pattern[len(head) :], anchored)
    return re.compile(re.escape(head) + body + r"\Z", re.DOTALL) if body is not None else None


def _translate(pattern: str, paths: bool) -> str | None:
    """A pattern as an expression. After a star, the next part is taken where it first fits, and never again
    elsewhere (an atomic group), which finds the same matches without backtracking.
    """
    chunks: list[str] = [""]
    stars: list[str] = []
    at = 0
    while at < len(pattern):
        if pattern[at] == "*":
            end = at
            while end < len(pattern) and pattern[end] == "*":
                end += 1
            star, at = _star(pattern, at, end, paths)
            stars.append(star)
            chunks.append("")
            continue
        piece = _one(pattern, at, paths)
        if piece is None:
            return None
        chunks[-1] += piece[0]
        at = piece[1]
    return _joined(chunks, stars)


_ANY, _IN_NAME, _FOLDERS = "any", "in name", "folders"


def _star(pattern: str, at: int, end: int, paths: bool) -> tuple[str, int]:
    """The kind of star that stands from `at` to `end`, and where the pattern goes on."""
    if not paths:
        return _ANY, end
    at_start = at == 0 or pattern[at - 1] == "/"
    if end - at > 1 and at_start:
        if end == len(pattern):
            return _ANY, end
        if pattern[end] == "/":
            return _FOLDERS, end + 1
        if pattern.startswith("\\/", end):
            return _ANY, end
    return _IN_NAME, end


def _joined(chunks: list[str], stars: list[str]) -> str:
    """Chunks with stars between them. A run of chunks between two `**/` is itself found where it first fits."""
    runs: list[tuple[list[str], list[str]]] = [([chunks[0]], [])]
    wide: list[str] = []
    for star, chunk in zip(stars, chunks[1:], strict=True):
        if star == _IN_NAME:
            runs[-1][0].append(chunk)
            runs[-1][1].append(star)
        else:
            wide.append(star)
            runs.append(([chunk], []))
    parts = [_run(*runs[0], last=len(runs) == 1)]
    for at, (star, run) in enumerate(zip(wide, runs[1:], strict=True), 1):
        last = at == len(runs) - 1
        skipped = r".*?" if star == _ANY else r"(?:|.*?/)"
        body = _run(*run, last=last)
        parts.append(f"{skipped}{body}" if last else f"(?>{skipped}{body})")
    return "".join(parts)


def _run(chunks: list[str], stars: list[str], last: bool) -> str:
    if not stars:
        return chunks[0]
    inner = "".join(rf"(?>[^/]*?{chunk})" for chunk in chunks[1:-1])
    return chunks[0] + inner + rf"[^/]*{'' if last else '?'}{chunks[-1]}"


def _one(pattern: str, at: int, paths: bool) -> tuple[str, int] | None:
    """The expression of what stands at `at`, which is no star, and where the pattern goes on."""
    char = pattern[at]
    if char == "?":
        return ("[^/]" if paths else "."), at + 1
    if char == "\\":
        return (re.escape(pattern[at + 1]), at + 2) if at + 1 < len(pattern) else None
    if char == "[":
        return _bracket(pattern, at, paths)
    return re.escape(char), at + 1


def _bracket(pattern: str, at: int, paths: bool) -> tuple[str, int] | None:
    """A bracket expression; None where it does not end or names an unknown class."""
    at += 1
    negated = pattern[at : at + 1] in ("!", "^")
    at += negated
    inside: list[str] = []
    first = True
    while True:
        if at >= len(pattern):
            return None
        if pattern[at] == "]" and not first:
            break
        first = False
        if pattern.startswith("[:", at) and (end := _class_end(pattern, at)):
            name = pattern[at + 2 : end]
            if name not in _CLASSES:
                return None
            inside.append(_CLASSES[name])
            at = end + 2
            continue
        low = _literal(pattern, at)
        if low is None:
            return None
        char, at = low
        if pattern[at : at + 1] == "-" and pattern[at + 1 : at + 2] not in ("", "]"):
            high = _literal(pattern, at + 1)
            if high is None:
                return None
            if char <= high[0]:
                inside.append(f"{re.escape(char)}-{re.escape(high[0])}")
            at = high[1]
        else:
            inside.append(re.escape(char))
    return _set("".join(inside), negated, paths), at + 1


def _class_end(pattern: str, at: int) -> int:
    """Where the ":" of a class's ":]" stands; 0 where the bracket is a plain character."""
    end = pattern.find("]", at + 2)
    return end - 1 if end > at + 2 and pattern[end - 1] == ":" else 0


def _literal(pattern: str, at: int) -> tuple[str, int] | None:
    if pattern[at] == "\\":
        at += 1
    return (pattern[at], at + 1) if at < len(pattern) else None


def _set(inside: str, negated: bool, paths: bool) -> str:
    slash = "(?!/)" if paths else ""
    if not inside:
        return f"{slash}." if negated else "(?!)"
    return f"{slash}[{'^' if negated else ''}{inside}]"
