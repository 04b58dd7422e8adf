"""Ends a generation that has become too unlikely; used by the engine and by clients of other servers. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Verdict = Literal["", "stop", "length"]
"""Continue, or end: at a line's end as if the model had ended there, or in the middle of its text."""


@dataclass(frozen=True, slots=True)
class ConfidenceThresholds:
    """Probabilities from 0 to 1 below which a generation ends; 0 never ends one."""

    head: float = 0.0
    """Of the first visible text. A suggestion that begins less likely is not shown at all."""
    whole: float = 0.0
    """Of the whole text. It ends before the text that would take it below."""
    further: float = 0.0
    """Of the lines so far; below it, no further line is written."""

    def __bool__(self) -> bool:
        return bool(self.head or self.whole or self.further)


NO_THRESHOLD = ConfidenceThresholds()
"""Ends nothing."""


class ConfidenceGate:
    """Follows one generation."""

    def __init__(self, confidence: ConfidenceThresholds) -> None:
        self._head, self._whole, self._further = map(
            _log, (confidence.head, confidence.whole, confidence.further)
        )
        self._logprob = 0.0
        self._seen = False

    def feed(self, text: str, logprob: float) -> tuple[str, Verdict]:
        """(what of the next text may be shown, whether generation ends after it).

        `logprob` is the log-probability in nats of all tokens behind `text`.
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
