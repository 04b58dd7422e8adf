"""Cursor contexts written as text, with the last "|" marking the cursor."""

from __future__ import annotations

from aix_lsp.completion.cursor import CursorContext


def cursor(source: str, language: str = "python") -> CursorContext:
    before, _, behind = source.rpartition("|")
    return CursorContext("file:///a", language, before, behind)
