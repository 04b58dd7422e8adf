"""What the cursor stands in: code, a comment, a string, the parentheses of a call. Pure; no parser, reads tokens."""

from __future__ import annotations

from typing import Literal

from aix_lsp.completion.brackets import BLOCK_COMMENT, LINE_COMMENT, state_at, unpaired
from aix_lsp.completion.cursor import CursorContext
from aix_lsp.languages import language_of

SyntacticContext = Literal["code", "parentheses", "comment", "string", "long string", "prose"]


def syntactic_context(cursor: CursorContext) -> SyntacticContext:
    """The innermost of them; "parentheses" are those of a call, a signature or a condition.

    A "long string" may span lines, as docstrings do.
    """
    if language_of(cursor.language).prose:
        return "prose"
    state = state_at(cursor.before, cursor.language)
    if state in (LINE_COMMENT, BLOCK_COMMENT):
        return "comment"
    if state:
        return "long string" if len(state) > 1 or state == "`" else "string"
    openers = unpaired(cursor.before, cursor.language).openers
    return "parentheses" if openers and openers[-1].char == "(" else "code"
