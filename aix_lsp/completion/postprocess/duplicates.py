"""Ends a suggestion before it repeats what is around the cursor, or in its prompt."""

from __future__ import annotations

import re
from urllib.parse import unquote

from aix_lsp.completion.cursor import CursorContext
from aix_lsp.completion.postprocess.filter import Cut, alike, may_become_alike, significant, word_begun
from aix_lsp.fim.block import closes_block, indentation
from aix_lsp.languages import language_of

_NOTES = ("the file path is:", "the code file is written by")
"""Comments that prompts of some families begin with; see fim/family.py."""
_LABELS = ("path:", "file:", "filename:", "file path:", *_NOTES)
_LABEL = re.compile(rf"(?:{'|'.join(map(re.escape, _LABELS))})\s*", re.IGNORECASE)

_WORD = re.compile(r"\w+")
_SURE = 3
"""This many characters of the line's rest, or all of it, at the suggestion's end are no accident."""


def echo(text: str, cursor: CursorContext, done: bool) -> Cut:
    """Cut before a comment line of its own that names this file, or says what a prompt says.

    A file may begin with such a line, and a comment that the user has begun is the user's.
    """
    mark = language_of(cursor.language).line_comment
    if not mark or not cursor.before.strip():
        return Cut(text)
    name = unquote(cursor.uri.rpartition("/")[2])
    lines = text.split("\n")
    for index, line in enumerate(lines):
        if index == 0 and cursor.line_before.strip():
            continue
        if index == len(lines) - 1 and not done:
            return Cut("\n".join(lines[:index]) if _may_echo(line.strip(), mark) else text)
        if _echoes(line.strip(), mark, name):
            return Cut("\n".join(lines[:index]), stop=True)
    return Cut(text)


def _echoes(line: str, mark: str, name: str) -> bool:
    if not line.startswith(mark):
        return False
    body = line[len(mark) :].strip()
    if body.lower().startswith(_NOTES):
        return True
    path = _LABEL.sub("", body, count=1)
    return "." in name and " " not in path and (path == name or path.endswith("/" + name))


def _may_echo(head: str, mark: str) -> bool:
    """Whether a line that begins so may turn out to echo."""
    if not head.startswith(mark):
        return bool(head) and mark.startswith(head)
    body = head[len(mark) :].strip().lower()
    return " " not in body or any(label.startswith(body) or body.startswith(label) for label in _LABELS)


def overlap(text: str, cursor: CursorContext, done: bool) -> Cut:
    """Cut the rest of the line where the suggestion writes it again.

    A suggestion that ends its line without the rest has written another line: in front of the rest it would
    make nonsense, but for the word that it begins with, which may end the one at the cursor. Which it is shows at
    its end only, so that until then no more than that word is shown.
    """
    rest = cursor.line_after.rstrip()
    if not cursor.in_mid_line:
        return Cut(text)
    line, newline, _ = text.partition("\n")
    at = line.find(rest.strip())
    if at >= 0:
        return Cut(line[:at] if rest[0] != " " else line[:at].rstrip(), stop=True)
    word = _WORD.match(line)
    if newline:
        keep = word if cursor.word_before or not rest[0].isalnum() else None
        return Cut(keep[0] if keep else "", stop=True)
    if not done:
        # A rest that begins with a word may begin inside this one.
        whole = word if not _WORD.match(rest.strip()) else None
        return Cut(whole[0] if whole and whole.end() < len(line) else "")
    shared = _shared(line, rest)
    return Cut(line[: len(line) - shared] if shared >= min(_SURE, len(rest)) else line)


def _shared(line: str, rest: str) -> int:
    """How much of the line's end is the rest's head."""
    for length in range(min(len(line), len(rest)), 0, -1):
        if line.endswith(rest[:length]):
            return length
    return 0


def above(text: str, cursor: CursorContext, done: bool) -> Cut:
    """Show nothing while the first line is the head of the line above; the word's end if it becomes that line.

    People write lines that begin as the one above does.
    """
    target = cursor.line_above().rstrip()
    if not significant(target):
        return Cut(text)
    first, newline, _ = text.partition("\n")
    whole = (cursor.line_before + first).rstrip()
    if newline or done:
        return Cut(word_begun(first, cursor), stop=True) if whole == target and first.strip() else Cut(text)
    return Cut("") if first.strip() and target.startswith(whole) else Cut(text)


def below(text: str, cursor: CursorContext, done: bool) -> Cut:
    """Cut before a line that is the next one in the document; of the cursor's own keep the end of the word begun.

    A short line that ends a block (`end`, `</p>`) must also have the same indentation; brackets are `balance`'s.
    """
    following = cursor.lines_below(1)
    if not following:
        return Cut(text)
    target = following[0].rstrip()
    lines = text.split("\n")
    for index, line in enumerate(lines):
        whole = cursor.line_before + line if index == 0 else line
        fresh = index > 0 or not cursor.line_before.strip()
        if not line.strip():
            continue
        if index == len(lines) - 1 and not done:
            return Cut("\n".join(lines[:index]) if _may_repeat(whole, target, fresh) else text)
        if _repeats(whole, target, fresh):
            return Cut("\n".join(lines[:index]) if index else word_begun(line, cursor), stop=True)
    return Cut(text)


def _repeats(line: str, target: str, fresh: bool) -> bool:
    """Whether `line` is the line below; `fresh` where the suggestion wrote all of it."""
    if line.rstrip() == target:
        return _counts(target, fresh)
    return fresh and _as_deep(line, target) and significant(target) and alike(line, target)


def _may_repeat(head: str, target: str, fresh: bool) -> bool:
    """Whether a line that begins with `head` may yet come to repeat the line below."""
    if target.startswith(head.rstrip()):
        return _counts(target, fresh)
    return fresh and _as_deep(head, target) and significant(target) and may_become_alike(head, target)


def _counts(target: str, fresh: bool) -> bool:
    """Whether a line that is just like the line below repeats it: a sign or a short word stands on many lines."""
    return significant(target) or (fresh and closes_block(target) and any(map(str.isalpha, target)))


def _as_deep(line: str, target: str) -> bool:
    return indentation(line) == indentation(target)
