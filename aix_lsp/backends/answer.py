"""What a server without our extensions leaves to us, done on its text: healing, stops, structure, doubt."""

from __future__ import annotations

from dataclasses import replace

from aix_lsp.backends.base import Delta, GenerateRequest
from aix_lsp.backends.healing import Healer
from aix_lsp.backends.stops import StopFilter
from aix_lsp.fim.doubt import ANY, Doubt


class Answer:
    """The candidates of one generation. `stops` end a candidate wherever they appear, `word` was healed."""

    def __init__(self, request: GenerateRequest, word: str, stops: tuple[str, ...]) -> None:
        self._word = word
        self._stops = stops
        self._one_line = request.stop_when == "line"
        self._least = request.least
        self._awaited = request.n
        self._candidates: dict[int, _Candidate] = {}

    @property
    def complete(self) -> bool:
        """Whether every candidate has ended."""
        return sum(candidate.ended for candidate in self._candidates.values()) == self._awaited

    @property
    def cut_short(self) -> bool:
        """Whether every candidate has ended, one by our doing, so that the server works for nothing."""
        return self.complete and any(candidate.cut for candidate in self._candidates.values())

    @property
    def useless(self) -> bool:
        """Whether every candidate began with another word than the one at the cursor."""
        failed = sum(candidate.healer.failed for candidate in self._candidates.values())
        return failed == self._awaited

    def take(self, delta: Delta) -> Delta | None:
        """What of `delta` is for the user; None where that is nothing."""
        candidate = self._candidates.get(delta.index)
        if candidate is None:
            candidate = _Candidate(
                Healer(self._word), StopFilter(self._stops), Doubt(self._least), self._one_line
            )
            self._candidates[delta.index] = candidate
        return candidate.take(delta)

    def end(self, reason: str) -> list[Delta]:
        """End all candidates that have not ended by themselves."""
        for index in range(self._awaited):
            if index not in self._candidates:
                self._candidates[index] = _Candidate(Healer(""), StopFilter(()), Doubt(ANY), False)
        return [
            Delta(candidate.finish(), index, reason)
            for index, candidate in sorted(self._candidates.items())
            if not candidate.ended
        ]


class _Candidate:
    """One candidate on its way from the server to the user."""

    def __init__(self, healer: Healer, stops: StopFilter, doubt: Doubt, one_line: bool) -> None:
        self.healer = healer
        self.ended = False
        self.cut = False
        """Whether it ended before the server said so."""
        self._stops = stops
        self._doubt = doubt
        self._one_line = one_line
        self._inked = False

    def take(self, delta: Delta) -> Delta | None:
        if self.ended:
            return None
        # What repeats the word at the cursor is typed already, however unlikely.
        logprob = (delta.logprob or 0.0) if self.healer.settled else 0.0
        said, verdict = self._doubt.feed(self.healer.feed(delta.text), logprob)
        text = self._first_line(self._stops.feed(said))
        reason = delta.finish_reason or verdict
        if reason and not self.healer.settled:
            self.healer.failed = True
        if self.healer.failed or self._stops.stopped or self.ended:
            reason = "stop"
        elif reason:
            text += self._stops.flush()
        self.ended = bool(reason)
        self.cut = self.ended and not delta.finish_reason
        if not text and not reason:
            return None
        return replace(delta, text=text, finish_reason=reason or None)

    def finish(self) -> str:
        """End here; the text that was still held back."""
        self.ended = True
        return self._stops.flush()

    def _first_line(self, text: str) -> str:
        """`text` up to the end of the first line that holds something, where only one line is wanted."""
        if not self._one_line:
            return text
        for at, character in enumerate(text):
            if character in "\r\n" and self._inked:
                self.ended = True
                return text[:at]
            self._inked = self._inked or not character.isspace()
        return text
