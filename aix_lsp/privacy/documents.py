"""A document without its secrets: searched as a whole before a window is cut from it, then only where it changed.

Time per keystroke: a look-up for each block of lines, and the lines of the slice that was edited. Blocks are shared
between a text's versions (completion/text.py), so that an unchanged one is found by what it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from typing import NamedTuple, Protocol, Self, TypeVar

from cachetools import LRUCache, cached

from aix_lsp.privacy.known import without_known
from aix_lsp.privacy.line_states import PLAIN
from aix_lsp.privacy.scanned_line import Style
from aix_lsp.privacy.secrets import RedactedLine, redact_line, redact_lines, style_of

_FAR_LINES = 4096
"""On either side of the cursor; what lies farther is left empty, since no prompt reaches there."""
_SLICE = 64
_MOST_CHARACTERS = 16_000_000
"""Of text in each cache. A count of blocks would keep a closed document for each, whatever its lines hold."""

_Block = tuple[str, ...]


class Blocks(Protocol):
    """A text made of blocks of lines."""

    @property
    def blocks(self) -> Sequence[_Block]: ...

    def with_blocks(self, blocks: Sequence[_Block]) -> Self: ...


T = TypeVar("T", bound=Blocks)


class _Clean(NamedTuple):
    lines: _Block
    placeholders: tuple[str, ...]
    state: str


def _characters(clean: _Clean) -> int:
    return sum(map(len, clean.lines)) + len(clean.lines)


_known: LRUCache[tuple[int, str, Style], tuple[_Block, _Clean]] = LRUCache(
    _MOST_CHARACTERS, getsizeof=lambda entry: _characters(entry[1])
)
"""By a block's identity, which is its own as long as it is kept here."""


def without_secrets(text: T, language: str, line: int, column: int = -1) -> tuple[T, tuple[str, ...]]:
    """The text around a line with each secret replaced, all places where they were; and what stands in their place.

    With a `column`, that is where the user is typing: what is still unfinished there is judged more strictly.
    """
    style, state = style_of(language), PLAIN
    found: list[_Block] = []
    placeholders: dict[str, None] = {}
    first = 0
    for block in text.blocks:
        behind = first + len(block)
        if behind < line - _FAR_LINES or first > line + _FAR_LINES:
            clean = _Clean(_empty(len(block)), (), PLAIN)
        elif first <= line < behind and column >= 0:
            clean = _typed_in(block, state, style, line - first, column)
        else:
            clean = _block(block, state, style)
        lines, known = without_known(clean.lines)
        found.append(lines)
        placeholders.update(dict.fromkeys((*clean.placeholders, *known)))
        first, state = behind, clean.state
    return text.with_blocks(found), tuple(placeholders)


async def search_ahead(text: Blocks, language: str, line: int, column: int = -1) -> None:
    """Search what `without_secrets` will ask for and nobody has searched yet, letting the event loop run in between.

    The first look at 10,000 lines takes a quarter of a second of processor time, a block of them some 10 ms.
    """
    style, state = style_of(language), PLAIN
    first = 0
    for block in text.blocks:
        behind = first + len(block)
        if behind < line - _FAR_LINES or first > line + _FAR_LINES:
            state = PLAIN
        elif first <= line < behind and column >= 0:
            state = _typed_in(block, state, style, line - first, column).state
        else:
            is_new = (id(block), state, style) not in _known
            state = _block(block, state, style).state
            if is_new:
                await asyncio.sleep(0)
        first = behind


def _block(block: _Block, state: str, style: Style) -> _Clean:
    key = (id(block), state, style)
    known = _known.get(key)
    if known is None or known[0] is not block:
        known = (block, _sliced(block, state, style))
        with suppress(ValueError):  # larger than the whole cache
            _known[key] = known
    return known[1]


def _sliced(block: _Block, state: str, style: Style) -> _Clean:
    lines: list[str] = []
    placeholders: list[str] = []
    for start in range(0, len(block), _SLICE):
        clean = _slice(block[start : start + _SLICE], state, style)
        lines += clean.lines
        placeholders += clean.placeholders
        state = clean.state
    return _Clean(tuple(lines) if placeholders else block, tuple(placeholders), state)


@cached(LRUCache(_MOST_CHARACTERS // 8, getsizeof=_characters))
def _slice(lines: _Block, state: str, style: Style) -> _Clean:
    found, placeholders, state = redact_lines(lines, state, style)
    return _Clean(tuple(found) if placeholders else lines, placeholders, state)


@lru_cache(maxsize=2)
def _typed_in(block: _Block, state: str, style: Style, at: int, column: int) -> _Clean:
    """A block in which the user is typing."""
    before = _sliced(block[:at], state, style)
    typed = _line(block[at], before.state, style, column)
    behind = _sliced(block[at + 1 :], typed.state, style)
    return _Clean(
        (*before.lines, typed.text, *behind.lines),
        (*before.placeholders, *typed.placeholders, *behind.placeholders),
        behind.state,
    )


def _line(line: str, state: str, style: Style, column: int) -> RedactedLine:
    return redact_line(line, state, style, column)


@lru_cache(maxsize=64)
def _empty(lines: int) -> _Block:
    return ("\n",) * lines
