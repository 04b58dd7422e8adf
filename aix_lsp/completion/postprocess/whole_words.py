"""Takes off a word that a text breaks off in, with the sign that joins it to the one before."""

from __future__ import annotations

import re

_LAST_WORD = re.compile(r"((?<![.:])(\.|::)|->|\\)\w*\Z|(?<=\W)\w+\Z")


def whole_words(text: str) -> str:
    """The text up to its last word, which may be half of one; one that is all there is stays."""
    head = _LAST_WORD.sub("", text).rstrip()
    return head if head else text
