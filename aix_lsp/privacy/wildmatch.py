"""Translates gitignore patterns to regular expressions that do not backtrack. Source: git's wildmatch.c."""

from __future__ import annotations

import re
from functools import lru_cache

_KEPT = 2048
"""Cached expressions: at least those of one file (globs.MOST_WILD)."""
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


@lru_cache(maxsize=4 * _KEPT)
def expression(pattern: str, anchored: bool) -> re.Pattern[str] | None:
    """A pattern as an expression for a whole path (`anchored`) or name; None if git never matches it."""
    special = _SPECIAL.search(pattern)
    head = pattern[: special.start()] if special else pattern
    body = _translate(pattern[len(head) :], anchored)
    return re.compile(re.escape(head) + body + r"\Z", re.DOTALL) if body is not None else None


def _translate(pattern: str, paths: bool) -> str | None:
    """A pattern as an expression. After a star, the next part is matched at its first occurrence only (by an atomic
    group), which finds the same matches without backtracking.
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
    """The kind of the star from `at` to `end`, and where the pattern continues."""
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
    """Chunks with stars between them. A run of chunks between two `**/` is matched at its first occurrence, too."""
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
    """The expression for the element at `at`, which is not a star, and where the pattern continues."""
    char = pattern[at]
    if char == "?":
        return ("[^/]" if paths else "."), at + 1
    if char == "\\":
        return (re.escape(pattern[at + 1]), at + 2) if at + 1 < len(pattern) else None
    if char == "[":
        return _bracket(pattern, at, paths)
    return re.escape(char), at + 1


def _bracket(pattern: str, at: int, paths: bool) -> tuple[str, int] | None:
    """A bracket expression; None if it is not closed or names an unknown class."""
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
            # Of a reversed range, git takes the first character.
            last = f"-{re.escape(high[0])}" if char <= high[0] else ""
            inside.append(re.escape(char) + last)
            at = high[1]
        else:
            inside.append(re.escape(char))
    return _set("".join(inside), negated, paths), at + 1


def _class_end(pattern: str, at: int) -> int:
    """The position of the ":" in a class's ":]"; 0 if the bracket is a plain character."""
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
