"""Removes a suggestion's leading indentation on a line that is already indented."""

from __future__ import annotations

import re

from aix_lsp.completion.brackets import state_at
from aix_lsp.completion.cursor import CursorContext
from aix_lsp.completion.postprocess.filter import Cut
from aix_lsp.fim.block import opens_block
from aix_lsp.languages import language_of

_INDENTED = re.compile(r"^( {2,})[^\s*]", re.MULTILINE)
_GOES_ON = tuple("([{,=\\|&+-*/<?")
"""A line that ends so goes on below, deeper."""
_CONTINUES = tuple(".?:|&+-*/")
"""A line that begins so goes on with the one above."""


def indentation(text: str, cursor: CursorContext, done: bool) -> Cut:
    """What stands before the cursor is not written again, nor a blank more of it.

    Deeper indentation stays where the line above asks for it, in strings and comments, and where it completes what
    the user has begun to indent.
    """
    before = cursor.line_before
    if not before or before.strip() or cursor.line_after.strip():
        return Cut(text)
    code = text.lstrip(" \t")
    if not code:
        return Cut("")
    lead = text[: len(text) - len(code)]
    # Healing may have taken a blank of what is repeated.
    repeats = len(lead) == 1 or abs(len(lead) - len(before)) <= 1
    if (
        not lead
        or not repeats
        or code.startswith("\n")
        or _is_deeper(code, cursor)
        or _completes(lead, cursor)
    ):
        return Cut(text)
    return Cut(code)


def _is_deeper(code: str, cursor: CursorContext) -> bool:
    """Whether the cursor's line may well stand deeper than it does."""
    above = cursor.line_above()
    indent = above[: len(above) - len(above.lstrip())]
    opens = opens_block(above, language_of(cursor.language)) or above.endswith(_GOES_ON)
    if opens and len(indent) >= len(cursor.line_before):
        return True
    return code.startswith(_CONTINUES) or bool(state_at(cursor.before, cursor.language))


def _completes(lead: str, cursor: CursorContext) -> bool:
    """Whether the cursor's line is indented by half a step, and `lead` makes it a whole one."""
    before = cursor.line_before
    if "\t" in before + lead:
        return False
    found = _INDENTED.findall(cursor.before) + _INDENTED.findall(cursor.after)
    unit = min(map(len, found), default=4)
    return len(before) % unit != 0 and (len(before) + len(lead)) % unit == 0
