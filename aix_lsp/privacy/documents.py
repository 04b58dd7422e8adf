"""Removes secrets from a document: from all of it before a window is cut out, then only from what has changed.

Each keystroke costs a look-up per block of lines and a search of the slice that was edited. A text's versions share
blocks (completion/text.py), so an unchanged block is recognised by its identity.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import NamedTuple, Protocol, Self, TypeVar

from cachetools import LRUCache

from aix_lsp.privacy.known import without_known
from aix_lsp.privacy.line_states import PLAIN
from aix_lsp.privacy.scanned_line import Style
from aix_lsp.privacy.secrets import LONGEST_LINE, redact_line, redact_lines, style_of

_FAR_LINES = 4096
"""On either side of the cursor. Lines farther away are left empty, since no prompt reaches them."""
_SLICE = 64
_MOST_OF_A_BLOCK, _LONG_LINE = 1_000_000, 1024
"""Characters. In a block of more than that, which must be data, longer lines are left empty."""
_TURN_S = 0.005
"""Processor time between two turns of the event loop."""
PATIENCE_S = 0.02
"""Processor time on the event loop for text that was not searched ahead, such as parts of other documents."""
_MOST_CHARACTERS = 4_000_000
"""Of text in each cache. A limit on the number of blocks would not bound the memory."""

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
    _MOST_CHARACTERS, getsizeof=lambda entry: sum(map(len, entry[0])) + _characters(entry[1])
)
"""By the block's identity, which is unique while the entry keeps the block alive."""
_searched_slices: LRUCache[tuple[_Block, str, Style], _Clean] = LRUCache(
    _MOST_CHARACTERS // 2, getsizeof=_characters
)


_Steps = Generator[None, None, _Clean]
"""A search in steps; it yields before each expensive one, so that the caller can stop there."""


def without_secrets(
    text: T, language: str, line: int, column: int = -1, within_s: float = math.inf
) -> tuple[T, tuple[str, ...]]:
    """The text around a line with all secrets replaced, wherever they occur; and the placeholders used.

    `column` is where the user is typing, or -1: an unfinished value there is judged more strictly. Text that cannot be
    searched within `within_s` seconds of processor time is left empty; see `search_ahead`.
    """
    found: list[_Block] = []
    placeholders: dict[str, None] = {}
    state, until = PLAIN, time.thread_time() + within_s
    for is_near, block, at in _near(text, line, column):
        clean = (
            _in_time(_block_steps(block, state, style_of(language), at, column), until) if is_near else None
        )
        if is_near and clean is None:
            until = -math.inf  # nor what follows: the state that it begins in is unknown
        clean = clean or _Clean(_empty(len(block)), (), PLAIN)
        lines, known = without_known(clean.lines)
        found.append(lines)
        placeholders.update(dict.fromkeys((*clean.placeholders, *known)))
        state = clean.state
    return text.with_blocks(found), tuple(placeholders)


async def search_ahead(text: Blocks, language: str, line: int, column: int = -1) -> None:
    """Search what `without_secrets` will need, letting the event loop run in between.

    The first search of 10,000 lines takes a quarter of a second of processor time, a slice of them a few milliseconds.
    """
    state, until = PLAIN, time.thread_time() + _TURN_S
    for is_near, block, at in _near(text, line, column):
        if not is_near:
            state = PLAIN
            continue
        steps = _block_steps(block, state, style_of(language), at, column)
        while (clean := _in_time(steps, until)) is None:
            await asyncio.sleep(0)
            until = time.thread_time() + _TURN_S
        state = clean.state


def _near(text: Blocks, line: int, column: int) -> Iterator[tuple[bool, _Block, int]]:
    """(whether a prompt reaches it, block, the line in it where the user is typing or -1)"""
    first = 0
    for block in text.blocks:
        behind = first + len(block)
        is_near = not (behind < line - _FAR_LINES or first > line + _FAR_LINES)
        yield is_near, block, line - first if first <= line < behind and column >= 0 else -1
        first = behind


def _in_time(steps: _Steps, until: float) -> _Clean | None:
    """The result of a search, or None if it is not finished by then; it can be resumed."""
    try:
        while True:
            next(steps)
            if time.thread_time() > until:
                return None
    except StopIteration as end:
        found: _Clean = end.value
        return found


def _block_steps(block: _Block, state: str, style: Style, at: int, column: int) -> _Steps:
    if at >= 0:
        return (yield from _typed_in(block, state, style, at, column))
    key = (id(block), state, style)
    known = _known.get(key)
    if known is None or known[0] is not block:
        known = (block, (yield from _sliced(block, state, style)))
        with suppress(ValueError):  # larger than the whole cache
            _known[key] = known
    return known[1]


def _sliced(block: _Block, state: str, style: Style) -> _Steps:
    lines: list[str] = []
    placeholders: list[str] = []
    whole = block
    longest = LONGEST_LINE if sum(map(len, block)) <= _MOST_OF_A_BLOCK else _LONG_LINE
    if max(map(len, block), default=0) > longest:
        block = tuple(line if len(line) <= longest else "\n" * line.endswith("\n") for line in block)
    for part in _slices(block):
        key = (part, state, style)
        clean = _searched_slices.get(key)
        if clean is None:
            yield
            found, more, after = redact_lines(part, state, style)
            clean = _searched_slices[key] = _Clean(tuple(found), more, after)
        lines += clean.lines
        placeholders += clean.placeholders
        state = clean.state
    return _Clean(whole if whole == tuple(lines) else tuple(lines), tuple(placeholders), state)


def _slices(block: _Block) -> Iterator[_Block]:
    """Runs of lines, each small enough to search in one turn of the event loop."""
    first = characters = 0
    for number, line in enumerate(block):
        if number - first == _SLICE or (characters + len(line) > LONGEST_LINE and number > first):
            yield block[first:number]
            first, characters = number, 0
        characters += len(line)
    if first < len(block):
        yield block[first:]


_typed: LRUCache[tuple[_Block, str, Style, int, int], _Clean] = LRUCache(2)


def _typed_in(block: _Block, state: str, style: Style, at: int, column: int) -> _Steps:
    key = (block, state, style, at, column)
    clean = _typed.get(key)
    if clean is None:
        before = yield from _sliced(block[:at], state, style)
        yield
        typed = redact_line(block[at], before.state, style, column)
        behind = yield from _sliced(block[at + 1 :], typed.state, style)
        placeholders = (*before.placeholders, *typed.placeholders, *behind.placeholders)
        clean = _typed[key] = _Clean((*before.lines, typed.text, *behind.lines), placeholders, behind.state)
    return clean


@lru_cache(maxsize=64)
def _empty(lines: int) -> _Block:
    return ("\n",) * lines
