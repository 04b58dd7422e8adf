"""How long a prompt a backend reads in bearable time, from what it told of earlier ones. Pure."""

from __future__ import annotations

from aix_lsp.backends.base import Usage
from aix_lsp.completion.debounce import Mean

BEARABLE_MS = 2000.0
"""A prompt that shares nothing with earlier ones, as after a jump, should be read in this time. What is
typed after that costs a token or two, however long the prompt is."""
SHORTEST = 512
_ENOUGH = 128
"""Fewer uncached tokens say more of the overhead than of the reading."""
_SLACK = 1.25


class PromptBudget:
    """The longest prompt in tokens, a round number with hysteresis: each change of it makes a cold prompt."""

    def __init__(self) -> None:
        self._tokens_per_ms = Mean()
        self._longest: int | None = None

    @property
    def longest(self) -> int | None:
        """Tokens; None while there is no reason for a limit."""
        return self._longest

    def add(self, usage: Usage) -> None:
        """Take note of a generation."""
        read, took = usage.prompt_tokens - usage.cached_tokens, usage.first_token_ms - usage.queue_ms
        if read < _ENOUGH or took <= 0:
            return
        self._tokens_per_ms.add(read / took)
        tokens = (self._tokens_per_ms.value or 0.0) * BEARABLE_MS
        if self._longest is None or not self._longest <= tokens <= 2 * _SLACK * self._longest:
            self._longest = max(SHORTEST, _power_of_two_below(tokens))


def _power_of_two_below(tokens: float) -> int:
    return 1 << max(0, int(tokens).bit_length() - 1)
