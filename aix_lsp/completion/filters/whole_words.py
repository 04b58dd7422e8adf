"""Takes off a word that a text breaks off in, where nothing more will be shown of it."""

from __future__ import annotations

import re

_LAST_WORD = re.compile(r"(?<=\W)\w+\Z")


def whole_words(text: str) -> str:
    """The text up to its last word, which may be half of one; one that is all there is stays."""
    head = _LAST_WORD.sub("", text).rstrip()
    return head if head else text
