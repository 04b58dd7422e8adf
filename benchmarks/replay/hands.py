"""The hands of a person at a keyboard: how long between keys, and which slip. Pure; the same seed, the same hands.

Each draw is made from the place in the text alone, so that two servers that are compared meet the same person
at every key, whatever was accepted before. Medians after Dhakal et al., "Observations on Typing from 136 Million
Keystrokes" (CHI 2018): 0.24 s between keys on average, 0.12 s for fast typists, 2 % of keys mistyped; a person
who writes code stops to think before a line, and longer after going elsewhere.
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
"""Mistyped letters, of all letters; fewer than in prose, since names are short and known."""


class Hands:
    """One person typing one piece."""

    def __init__(self, seed: str, pauses: float = 1.0) -> None:
        """`seed` names the run and the piece; pauses are so many times as long as people's."""
        self._seed = seed
        self._pauses = pauses

    def pause_s(self, place: int, moment: Moment) -> float:
        """Seconds from the key at `place` in the piece to the next one, if nothing is shown to look at."""
        return self._pauses * MEDIAN_S[moment] * math.exp(self._draw("pause", place).gauss(0.0, _SPREAD))

    def slip(self, place: int, text: str) -> str:
        """What is typed by mistake instead of `text`, the rest of the piece, and is deleted again; mostly "".

        A wrong letter, and up to two right ones before it is noticed.
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
    """What kind of moment comes after a key."""
    if char == "\n":
        return "line"
    return "letter" if char.isalnum() or char == "_" else "symbol"
