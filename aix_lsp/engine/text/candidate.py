"""Builds one candidate's text from arriving tokens: whole characters, up to a stop. Knows no scheduling."""

from __future__ import annotations

import codecs
from collections.abc import Sequence

from aix_lsp.engine.events import Piece, Reason, TokenLogprob
from aix_lsp.engine.step import Sampled
from aix_lsp.engine.text.healing import Healing
from aix_lsp.engine.text.stops import LineEnd, Stop, StopStrings
from aix_lsp.engine.text.vocabulary import Vocabulary
from aix_lsp.fim.block import BlockEnd
from aix_lsp.fim.confidence import NO_THRESHOLD, ConfidenceGate, ConfidenceThresholds, Verdict


class CandidateText:
    """Implements `Output` (scheduling/sequence.py) for text."""

    def __init__(
        self,
        index: int,
        vocabulary: Vocabulary,
        healing: Healing | None = None,
        stops: Sequence[Stop] = (),
        keep_logprobs: bool = False,
        confidence: ConfidenceThresholds = NO_THRESHOLD,
    ) -> None:
        self._index = index
        self._vocabulary = vocabulary
        self._healing = healing or Healing(vocabulary)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._stops = stops
        self._gate = ConfidenceGate(confidence) if confidence else None
        self._keep_logprobs = keep_logprobs
        self._text = ""
        self._tokens = 0
        self._logprob = 0.0
        self._logprobs: list[TokenLogprob] = []
        self._reason: Reason | None = None

    @property
    def likely(self) -> Sequence[int]:
        """See Output."""
        return self._healing.likely

    def allowed(self, drafts: Sequence[int] = ()) -> Sequence[Sequence[int] | None]:
        """See Output."""
        return () if self._healing.allowed is None else self._healing.allowed_after(drafts)

    def push(self, sampled: Sampled) -> bool:
        """Take the next token; returns whether the candidate is complete."""
        if sampled.token in self._vocabulary.ends:
            self._reason = "stop"
            return True
        self._tokens += 1
        self._logprob += sampled.logprob
        data = self._vocabulary.bytes_of(sampled.token)
        if self._keep_logprobs:
            self._logprobs.append(self._described(sampled, data))
        text = self._decoder.decode(self._healing.accept(data))
        verdict: Verdict = ""
        if self._gate is not None:
            text, verdict = self._gate.feed(text, sampled.logprob)
        for stop in self._stops:
            text, stopped = stop.feed(text)
            if stopped:
                self._reason = "stop"
        if verdict and self._reason is None:
            self._reason = verdict
        self._text += text
        return self._reason is not None

    def _described(self, sampled: Sampled, data: bytes) -> TokenLogprob:
        def text(data: bytes) -> str:
            return data.decode("utf-8", "replace")

        top = tuple((text(self._vocabulary.bytes_of(token)), logprob) for token, logprob in sampled.top)
        return TokenLogprob(text(data), sampled.logprob, top)

    def take(self) -> Piece | None:
        """The text that has become showable since the last call; None if there is none."""
        return self._piece(None) if self._text else None

    def close(self, reason: Reason) -> Piece:
        """The last piece. `reason` applies unless the candidate ended by itself."""
        if self._reason is None and reason == "length":
            self._text += self._flushed()
        return self._piece(self._reason or reason)

    def _flushed(self) -> str:
        text = ""
        for stop in self._stops:
            shown, stopped = stop.feed(text)
            text = shown if stopped else shown + stop.flush()
        return text

    def _piece(self, reason: Reason | None) -> Piece:
        piece = Piece(self._index, self._text, self._tokens, self._logprob, reason, tuple(self._logprobs))
        self._text, self._tokens, self._logprob = "", 0, 0.0
        self._logprobs.clear()
        return piece


def stops_for(stop: Sequence[str], stop_when: str, line_head: str, at_line_end: bool) -> list[Stop]:
    """The stops of one candidate. `line_head` is the text of the cursor's line before the cursor."""
    stops: list[Stop] = [StopStrings(stop)] if stop else []
    if stop_when == "line":
        stops.append(LineEnd(at_line_end))
    elif stop_when == "block":
        stops.append(BlockEnd(line_head))
    return stops
