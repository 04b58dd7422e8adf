"""The words by which chunks of code are found again: identifiers and their parts. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

_IDENTIFIER = re.compile(r"[^\W\d]\w{1,63}")
_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_SHORTEST_PART = 4


def identifiers(text: str) -> Iterator[str]:
    """The identifiers of a text, in order, again where they come again."""
    return (match[0] for match in _IDENTIFIER.finditer(text))


def words(text: str) -> dict[str, None]:
    """The lower-case words of a text, each once, in order: identifiers, then what they are made of."""
    found: dict[str, None] = {}
    for identifier in dict.fromkeys(identifiers(text)):
        if len(identifier) > 2:
            found[identifier.lower()] = None
        parts = _PARTS.findall(identifier)
        if len(parts) > 1:
            found |= {part.lower(): None for part in parts if len(part) >= _SHORTEST_PART}
    return found
