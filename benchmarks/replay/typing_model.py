"""Simulates a person's typing: the time between keys, and the slips. Pure and deterministic for a seed.

Each draw depends only on the place in the text, so that two servers under comparison meet the same person at every key,
whatever was accepted before. Medians are based on Dhakal et al., "Observations on Typing from 136 Million Keystrokes"
(CHI 2018): 0.24 s between keys on average, 0.12 s for fast typists, 2 % of keys mistyped; people who write code stop to
think before a line, and longer after moving elsewhere.
"""

from __future__ import annotations

import math
import random
from typing import Literal

Moment = Literal["letter", "symbol", "line", "jump"]

MEDIAN_S: dict[Moment, float] = {"letter": 0.16, "symbol": 0.26, "line": 0.9, "jump": 1.5}
_SPREAD = 0.35
"""Standard deviation of the logarithm of a pause."""
_SLIPS = 0.012
"""Share of letters that are mistyped; fewer than in prose, since names are short and familiar."""


class TypingModel:
    """One person typing one piece."""

    def __init__(self, seed: str, pauses: float = 1.0) -> None:
        """`seed` identifies the run and the piece; `pauses` is the length of pauses relative to people's."""
        self._seed = seed
        self._pauses = pauses

    def pause_s(self, place: int, moment: Moment) -> float:
        """Seconds from the key at `place` in the piece to the next one, if there is no suggestion to look at."""
        return self._pauses * MEDIAN_S[moment] * math.exp(self._draw("pause", place).gauss(0.0, _SPREAD))

    def slip(self, place: int, text: str) -> str:
        """What is mistyped before `text`, the rest of the piece, and then deleted; usually empty.

        A wrong letter, and up to two correct ones until it is noticed.
        """
        draw = self._draw("slip", place)
        if not text[:1].isalpha() or draw.random() >= _SLIPS:
            return ""
        wrong = draw.choice([letter for letter in "etaoinshrdlu" if letter != text[0].lower()])
        more = text[1 : 1 + draw.randrange(3)]
        return wrong + (more if more.isalpha() else "")

    def _draw(self, what: str, place: int) -> random.Random:
        return random.Random(f"{self._seed}:{what}:{place}")


def moment_of(char: str) -> Moment:
    """The kind of moment after a key."""
    if char == "\n":
        return "line"
    return "letter" if char.isalnum() or char == "_" else "symbol"
