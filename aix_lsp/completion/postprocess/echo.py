"""Ends a suggestion where the model writes again what its prompt told of the file: its path and language."""

from __future__ import annotations

import re
from urllib.parse import unquote

from aix_lsp.completion.cursor import CursorContext
from aix_lsp.completion.postprocess.cut import Cut
from aix_lsp.languages import language_of

_NOTES = ("the file path is:", "the code file is written by")
"""Comments that prompts of some families begin with; see fim/family.py."""
_LABELS = ("path:", "file:", "filename:", "file path:", *_NOTES)
_LABEL = re.compile(rf"(?:{'|'.join(map(re.escape, _LABELS))})\s*", re.IGNORECASE)


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
