"""Whether a suggestion may have several lines, from what stands around the cursor. Pure."""

from __future__ import annotations

from typing import Literal

from aix_lsp.completion.languages import indentation, language_of, opens_block
from aix_lsp.completion.scene import Scene
from aix_lsp.completion.surroundings import surroundings

Extent = Literal["line", "block"]
Multiline = Literal["auto", "always", "never"]


def extent(scene: Scene, multiline: Multiline, invoked: bool = False) -> Extent:
    """How far a suggestion at the scene's cursor may go; who asks by hand wants more than the line's rest."""
    if multiline == "never" or scene.in_mid_line:
        return "line"
    if multiline == "always":
        return "block"
    line, rest = scene.line_before, scene.line_after.strip()
    if rest and not _between_block_brackets(line, rest):
        return "line"
    if line.strip() and not opens_block(line, language_of(scene.language)):
        return "block" if invoked else "line"
    if _body_below(scene) or not (invoked or surroundings(scene) == "code"):
        return "line"
    return "block"


def _body_below(scene: Scene) -> bool:
    """Whether the next line is deeper: what is written above it may not end where it would have to begin."""
    below = scene.lines_below(1)
    return bool(below) and indentation(below[0]) > indentation(scene.line_before)


def _between_block_brackets(line: str, rest: str) -> bool:
    """Whether the cursor stands in a pair of brackets that an editor closed as its block was opened."""
    return line.rstrip().endswith("{") and rest.startswith("}")
