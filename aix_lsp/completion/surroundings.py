"""What the cursor stands in: code, a comment, a string, the parentheses of a call. Pure; no parser, reads tokens."""

from __future__ import annotations

from typing import Literal

from aix_lsp.completion.brackets import BLOCK_COMMENT, LINE_COMMENT, state_at, unpaired
from aix_lsp.completion.languages import language_of
from aix_lsp.completion.scene import Scene

Surroundings = Literal["code", "parentheses", "comment", "string", "long string", "prose"]


def surroundings(scene: Scene) -> Surroundings:
    """The innermost of them; "parentheses" are those of a call, a signature or a condition.

    A "long string" may span lines, as docstrings do.
    """
    if language_of(scene.language).prose:
        return "prose"
    state = state_at(scene.before, scene.language)
    if state in (LINE_COMMENT, BLOCK_COMMENT):
        return "comment"
    if state:
        return "long string" if len(state) > 1 or state == "`" else "string"
    openers = unpaired(scene.before, scene.language).openers
    return "parentheses" if openers and openers[-1].char == "(" else "code"
