"""Ends a suggestion where the model copies what stands in its prompt in place of a secret."""

from __future__ import annotations

from aix_lsp.completion.cursor import CursorContext
from aix_lsp.completion.postprocess.cut import Cut

_SHORTEST = 8
"""A shorter placeholder ("xxxx") is as likely the model's own."""


def placeholders(text: str, cursor: CursorContext, done: bool) -> Cut:
    """Cut before a placeholder; see completion/secrets.py."""
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
