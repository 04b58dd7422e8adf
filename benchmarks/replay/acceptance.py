"""Decides how much of a suggestion a user who knows the right text would accept: all, its first lines or words.

Pure. A part is right if typing on after it leads to the wanted text without deleting anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from benchmarks.replay.plans import types_back
from tests.client.buffer import Buffer

How = Literal["whole", "line", "word"]

LEAST_GAIN = 2
"""Keys that an acceptance must save, beyond its cost, to be worth a person's while."""

_WORD = re.compile(r"\s*(?:\w+|[^\w\s]+|$)")


@dataclass(frozen=True)
class Acceptance:
    """A part of a suggestion that is accepted."""

    how: How
    text: str
    keys: int
    """Key presses that it costs: one for the whole or for a line, otherwise one per word."""


def best_acceptance(offer: str, replaces: int, buffer: Buffer, rest: str, wanted: str) -> Acceptance | None:
    """The longest part of `offer` that is right and saves keys, or None.

    `replaces` is how many characters to the right of the cursor the whole would replace, `rest` what is still to be
    typed there, `wanted` the text after that. The buffer is not changed.
    """
    for take in _parts(offer):
        over = replaces if take.how == "whole" else 0
        worth = keys_to_type(take.text) - take.keys >= LEAST_GAIN
        if worth and is_right(take.text, over, buffer, rest, wanted):
            return take
    return None


def is_right(text: str, replaces: int, buffer: Buffer, rest: str, wanted: str) -> bool:
    """Whether typing on after accepting `text` leads to the wanted text, without deleting anything."""
    if not rest.startswith(text):
        return False
    twin = buffer.copy()
    twin.accept(twin.cursor, twin.cursor + replaces, text)
    return types_back(twin, rest[len(text) :], wanted)


def keys_to_type(text: str) -> int:
    """Keys needed to type a text in an editor that indents."""
    return len(re.sub(r"\n[ \t]+", "\n", text))


def _parts(offer: str) -> Iterator[Acceptance]:
    yield Acceptance("whole", offer, 1)
    ends = [match.start() for match in re.finditer("\n", offer) if offer[: match.start()].strip()]
    for presses in range(len(ends), 0, -1):
        yield Acceptance("line", offer[: ends[presses - 1]], presses)
    words = list(_WORD.finditer(offer.partition("\n")[0] if offer.strip() else ""))
    for presses in range(len(words), 0, -1):
        yield Acceptance("word", offer[: words[presses - 1].end()], presses)
