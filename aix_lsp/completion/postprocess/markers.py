"""Ends a suggestion before anything that no document should contain: prompt markers and placeholders for secrets."""

from __future__ import annotations

import re
from functools import cache

from aix_lsp.completion.cursor import CursorContext
from aix_lsp.completion.postprocess.filter import Cut
from aix_lsp.fim.templates import FAMILIES

# A marker that is also ordinary code, such as "[PREFIX]" or "</s>", must not end a suggestion.
_UNMISTAKABLE = re.compile(r"[|｜]|fim|SPAN|<file_sep>|<repo_?name>|<gh_stars>")

_SHORTEST = 8
"""A shorter placeholder ("xxxx") is as likely the model's own."""


def markers(text: str, cursor: CursorContext, done: bool) -> Cut:
    """Cut before a marker, unless the document itself writes of markers."""
    found = [
        at for marker in _markers() if (at := text.find(marker)) >= 0 and not _in_document(marker, cursor)
    ]
    if found:
        return Cut(text[: min(found)], stop=True)
    return Cut(text if done else text[: len(text) - _possible_start(text)])


@cache
def _markers() -> tuple[str, ...]:
    snippets = (
        snippet for family in FAMILIES for snippet in (*family.markers, *family.stop, *family.reserved)
    )
    names = {
        snippet.replace("▁", "") if snippet.startswith("▁<") else snippet
        for snippet in snippets
        if _UNMISTAKABLE.search(snippet)
    }
    return tuple(sorted(names))


def _in_document(marker: str, cursor: CursorContext) -> bool:
    return marker in cursor.before or marker in cursor.after


def _possible_start(text: str) -> int:
    """How much of the text's end may be the beginning of a marker."""
    at = max(text.rfind(char, max(0, len(text) - 32)) for char in "<[")
    return len(text) - at if at >= 0 and any(marker.startswith(text[at:]) for marker in _markers()) else 0


def placeholders(text: str, cursor: CursorContext, done: bool) -> Cut:
    """Cut before a placeholder; see privacy/secrets.py."""
    known = [placeholder for placeholder in cursor.placeholders if len(placeholder) >= _SHORTEST]
    found = [at for placeholder in known if (at := text.find(placeholder)) >= 0]
    if found:
        return Cut(text[: min(found)], stop=True)
    held = max((_shared(text, placeholder) for placeholder in known), default=0)
    return Cut(text[: len(text) - held] if not done or held >= _SHORTEST else text)


def _shared(text: str, placeholder: str) -> int:
    """How much of the text's end is the placeholder's head."""
    for length in range(min(len(text), len(placeholder)), 0, -1):
        if text.endswith(placeholder[:length]):
            return length
    return 0
