"""Whether a suggestion may have several lines, from what stands around the cursor. Pure."""

from __future__ import annotations

from typing import Literal

from aix_lsp.completion.languages import indentation, language_of, opens_block
from aix_lsp.completion.scene import Scene

Extent = Literal["line", "block"]
Multiline = Literal["auto", "always", "never"]


def extent(scene: Scene, multiline: Multiline, invoked: bool = False) -> Extent:
    """How far a suggestion at the scene's cursor may go; who asks by hand wants more than the line's rest."""
    rest = scene.line_after.strip()
    if multiline == "never" or scene.in_mid_line:
        return "line"
    if multiline == "always":
        return "block"
    line = scene.line_before
    if rest and not _between_block_brackets(line, rest):
        return "line"
    if not line.strip():
        return "block" if not rest else "line"
    if not opens_block(line, language_of(scene.language)):
        return "block" if invoked else "line"
    below = scene.lines_below(1)
    has_body = bool(below) and indentation(below[0]) > indentation(line)
    return "line" if has_body else "block"


def _between_block_brackets(line: str, rest: str) -> bool:
    """Whether the cursor stands in a pair of brackets that an editor closed as its block was opened."""
    return line.rstrip().endswith("{") and rest.startswith("}")
