"""Remembers secrets that have been seen whole, and replaces them everywhere, for as long as the process runs.

An edit can remove what gives a secret away: a key typed into its name, a deleted `password =`, a quote opened before
it. What was found before such an edit stays a secret, in this document and in all others.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from itertools import chain
from typing import Protocol

from cachetools import LRUCache

from aix_lsp.privacy.line_states import PLAIN
from aix_lsp.privacy.secrets import LONGEST_LINE, char_like, redact_line, style_of

_MOST = 256
_MOST_CHARACTERS = 2_000_000
"""Of searched text."""
_BEFORE, _BEHIND = 8, 40
"""Lines around an edit in which a name and its value are looked for."""
_LASTING = re.compile(r"(?=.*[^\W\d_])(?=.*[\d!#$%^&*+?@/=])\S{8,512}")
"""Values worth remembering. Others are words that occur elsewhere with another meaning."""

_PARTS = re.compile(r"[/:=?&@,;]")

_Block = tuple[str, ...]


class Lines(Protocol):
    """A text of lines."""

    def lines(self, start: int, stop: int) -> Sequence[str]: ...


class _Known:
    """The secrets, most recent last, and the texts that have been searched for them."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.version = 0
        self.masked: LRUCache[tuple[int, int], tuple[_Block, _Block, tuple[str, ...]]] = LRUCache(
            _MOST_CHARACTERS, getsizeof=lambda entry: sum(map(len, entry[0]))
        )


_known = _Known()


def forget() -> None:
    """Forget all secrets."""
    global _known
    _known = _Known()


def note(text: Lines, language: str, line: int, column: int) -> None:
    """Remember the secrets around a place that is about to be edited, except the one being typed there."""
    style, state = style_of(language), PLAIN
    first = max(0, line - _BEFORE)
    left = LONGEST_LINE
    for number, content in enumerate(text.lines(first, line + _BEHIND), first):
        left -= len(content)
        if left < 0:
            break
        redacted = redact_line(content, state, style)
        state = redacted.state
        for value in chain.from_iterable(map(_secret_and_parts, redacted.secrets)):
            start = content.find(value)
            if number != line or not start <= column <= start + len(value):
                _remember(value)


def _secret_and_parts(secret: str) -> list[str]:
    """A secret and its long parts: an edit may cut a URL off from the key at its end."""
    return [secret, *(part for part in _PARTS.split(secret) if len(part) >= 12)]


def _remember(secret: str) -> None:
    values = _known.values
    if _LASTING.fullmatch(secret) is None:
        return
    if secret not in values:
        _known.version += 1
    values[secret] = values.pop(secret, "".join(map(char_like, secret)))
    if len(values) > _MOST:
        del values[next(iter(values))]


def without_known(block: _Block) -> tuple[_Block, tuple[str, ...]]:
    """Lines with every known secret in them replaced, and the placeholders used."""
    if not _known.values:
        return block, ()
    key = (id(block), _known.version)
    known = _known.masked.get(key)
    if known is None or known[0] is not block:
        known = (block, *_masked(block))
        with suppress(ValueError):  # larger than the whole cache
            _known.masked[key] = known
    return known[1], known[2]


def _masked(block: _Block) -> tuple[_Block, tuple[str, ...]]:
    joined = "".join(block)
    found = {value: placeholder for value, placeholder in _known.values.items() if value in joined}
    if not found:
        return block, ()
    lines = []
    for line in block:
        for value, placeholder in found.items():
            line = line.replace(value, placeholder)
        lines.append(line)
    return tuple(lines), tuple(found.values())
