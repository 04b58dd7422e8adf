"""Scenes written as text, with a last "|" where the cursor stands."""

from __future__ import annotations

from aix_lsp.completion.scene import Scene


def scene(source: str, language: str = "python") -> Scene:
    before, _, behind = source.rpartition("|")
    return Scene("file:///a", language, before, behind)
