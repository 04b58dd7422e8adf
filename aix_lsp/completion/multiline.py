"""Whether a suggestion may have several lines, from what stands around the cursor. Pure."""

from __future__ import annotations

from typing import Literal

from aix_lsp.completion.cursor import CursorContext
from aix_lsp.completion.syntactic_context import syntactic_context
from aix_lsp.fim.block import indentation, opens_block
from aix_lsp.languages import language_of

Extent = Literal["line", "block"]
Multiline = Literal["auto", "always", "never"]


def extent(cursor: CursorContext, multiline: Multiline, invoked: bool = False) -> Extent:
    """How far a suggestion at the scene's cursor may go; who asks by hand wants more than the line's rest."""
    if multiline == "never" or cursor.in_mid_line:
        return "line"
    if multiline == "always":
        return "block"
    line, rest = cursor.line_before, cursor.line_after.strip()
    if rest and not _between_block_brackets(line, rest):
        return "line"
    if line.strip() and not opens_block(line, language_of(cursor.language)):
        return "block" if invoked else "line"
    if _body_below(cursor) or not (invoked or syntactic_context(cursor) == "code"):
        return "line"
    return "block"


def _body_below(cursor: CursorContext) -> bool:
    """Whether the next line is deeper: what is written above it may not end where it would have to begin."""
    below = cursor.lines_below(1)
    return bool(below) and indentation(below[0]) > indentation(cursor.line_before)


def _between_block_brackets(line: str, rest: str) -> bool:
    """Whether the cursor stands in a pair of brackets that an editor closed as its block was opened."""
    return line.rstrip().endswith("{") and rest.startswith("}")
