"""Ends a generation that has become too unlikely; used by the engine, and for other servers by the client. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Verdict = Literal["", "stop", "length"]
"""Continue (""), or end: at a line's end as if the model had ended ("stop"), or in the middle of a text ("length")."""


@dataclass(frozen=True, slots=True)
class ConfidenceThresholds:
    """Probabilities from 0 to 1 below which a generation ends; with 0, it never does."""

    head: float = 0.0
    """Of the first visible text. A suggestion whose beginning is less likely is not shown at all."""
    whole: float = 0.0
    """Of the whole text. The generation ends before the text that would take it below."""
    further: float = 0.0
    """Of the lines so far; below it, no further line is written."""

    def __bool__(self) -> bool:
        return bool(self.head or self.whole or self.further)


NO_THRESHOLD = ConfidenceThresholds()
"""Never ends a generation."""


class ConfidenceGate:
    """Follows one generation."""

    def __init__(self, confidence: ConfidenceThresholds) -> None:
        self._head, self._whole, self._further = map(
            _log, (confidence.head, confidence.whole, confidence.further)
        )
        self._logprob = 0.0
        self._seen = False

    def feed(self, text: str, logprob: float) -> tuple[str, Verdict]:
        """(the part of the next text that may be shown, whether the generation ends after it).

        `logprob` is the log probability, in nats, of all tokens of `text`.
        """
        self._logprob += logprob
        if self._logprob < self._whole:
            return "", "length"
        if not self._seen and text.strip():
            if self._logprob < self._head:
                return "", "length"
            self._seen, start = True, len(text) - len(text.lstrip())
        else:
            start = 0
        if self._seen and self._logprob < self._further:
            ends = [at for at in (text.find("\n", start), text.find("\r", start)) if at >= 0]
            if ends:
                return text[: min(ends)], "stop"
        return text, ""


def _log(probability: float) -> float:
    return math.log(probability) if probability > 0 else -math.inf
