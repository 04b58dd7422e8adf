"""A request that moves from server to server: what has been shown, and what remains to be requested."""

from __future__ import annotations

from dataclasses import replace

from aix_lsp.backends.base import Delta, GenerateRequest, Usage


class Relay:
    """One request, continued by one server after another."""

    def __init__(self, request: GenerateRequest) -> None:
        self.request = request
        self._whole = request
        self._text = ""
        self._tokens = 0
        self._begun: set[int] = set()
        self._ended: set[int] = set()

    @property
    def ended(self) -> bool:
        """Whether all candidates have ended."""
        return len(self._ended) == self._whole.n

    @property
    def can_continue(self) -> bool:
        """Whether another server can continue: nothing has been shown yet, or there is only one candidate."""
        return not self._begun or self._whole.n == 1

    def take(self, event: Delta | Usage) -> Delta | Usage | None:
        """Record an event; returns the part to be shown."""
        if isinstance(event, Usage):
            return event
        if event.index in self._ended:
            return None
        if event.text:
            self._begun.add(event.index)
            self._text += event.text
            self._tokens += event.tokens or max(1, len(event.text) // 4)
            self.request = self._rest()
        if event.finish_reason:
            self._ended.add(event.index)
        return event

    def end(self) -> list[Delta]:
        """The last deltas of candidates that no server can continue."""
        return [Delta("", index, "length") for index in range(self._whole.n) if index not in self._ended]

    def _rest(self) -> GenerateRequest:
        prompt = self._whole.prompt
        if prompt.middle:
            prompt = replace(prompt, middle=prompt.middle + self._text)
        else:
            prompt = replace(prompt, prefix=prompt.prefix + self._text)
        left = max(1, self._whole.max_tokens - self._tokens)
        return replace(self._whole, prompt=prompt, max_tokens=left, heal=False, shown=0, accepted=0)
