"""Emulates our engine's extensions on the text of a server that lacks them. Pure: no connections.

These are token healing, any number of stop strings, ending by structure, and confidence thresholds. Healing
works on text here, for such a server's tokens cannot be seen: a cursor in the middle of a word cuts a token in
two, and the model has never seen its first half in that place. So the prompt is sent without the word's
beginning, and only an answer that begins with it is taken. The prompt then also stays the same, and in the
server's cache, while the word is typed.
"""

from __future__ import annotations

import re
from dataclasses import replace

from aix_lsp.backends.base import Delta, GenerateRequest
from aix_lsp.fim.confidence import NO_THRESHOLD, ConfidenceGate
from aix_lsp.fim.prompt import FimPrompt
from aix_lsp.fim.templates import FAMILIES, Template

# The last blank before a word belongs to its token (" name"), also where several indent a line.
_WORD_END = re.compile(r" ?\w*\Z")
_LONGEST = 48

_END_TOKENS = (
    "<|endoftext|>", "<|end_of_text|>", "<|im_end|>", "<|eot_id|>", "<|EOT|>", " <EOT>", "<EOT>", "<eos>",
    "<end_of_turn>", "<｜end▁of▁sentence｜>",
)  # fmt: skip
"""What ends a text for one model or another, and may come as text from a server that does not know it."""


def markers(template: Template | None) -> tuple[str, ...]:
    """The special tokens that may leak into a server's text; of all families where the model's is not known."""
    if template is not None:
        found = {*template.stop, *template.markers, *template.reserved}
    else:
        # Without a bar or a bracket a marker may as well be somebody's code.
        found = {stop for family in FAMILIES for stop in family.stop if re.search(r"\||｜|\[|fim", stop)}
    written = {marker.replace("▁<", " <") for marker in found} | {
        marker.replace("▁<", "<") for marker in found
    }
    return tuple(sorted(written.union(_END_TOKENS)))


def cut_word(prompt: FimPrompt) -> tuple[FimPrompt, str]:
    """The prompt up to the start of the word at the cursor, and what was cut off (which may be empty)."""
    text = prompt.middle or prompt.prefix
    match = _WORD_END.search(text[-_LONGEST - 1 :])
    word = match[0] if match else ""
    if not word or len(word) > _LONGEST or len(word) >= len(text):
        return prompt, ""
    kept = text[: -len(word)]
    return (replace(prompt, middle=kept) if prompt.middle else replace(prompt, prefix=kept)), word


class TextHealer:
    """Takes an answer's text as it streams; gives what comes after the cursor."""

    def __init__(self, word: str) -> None:
        self._awaited = word
        self.said = ""
        """What the answer began with, until it was clear whether it begins with the word."""
        self.failed = False
        """Whether the answer began with something else, so that nothing of it can be used."""

    @property
    def settled(self) -> bool:
        """Whether the whole word has come."""
        return not self._awaited and not self.failed

    def feed(self, text: str) -> str:
        """What of `text` lies after the cursor."""
        if self.failed or not self._awaited:
            return "" if self.failed else text
        self.said += text
        common = min(len(text), len(self._awaited))
        if text[:common] != self._awaited[:common]:
            self.failed = True
            return ""
        self._awaited = self._awaited[common:]
        return text[common:]


class StopFilter:
    """Passes text on until one of the stop strings comes, never letting a part of one through.

    What may be the beginning of a stop string is held back until the next text decides.
    """

    def __init__(self, stops: tuple[str, ...], tokens: tuple[str, ...] = ()) -> None:
        """`tokens` are stops of which not even a cut one is code: the model's special tokens."""
        self._stops = tuple(stop for stop in (*stops, *tokens) if stop)
        self._tokens = tokens
        self._held = ""
        self.stopped = False

    def feed(self, text: str) -> str:
        """The text that may be shown after `text` has come. Nothing more comes once `stopped`."""
        if self.stopped or not self._stops:
            return "" if self.stopped else text
        buffer = self._held + text
        # The first to be whole counts, so that it does not matter how the stream was cut.
        found = [(at + len(stop), at) for stop in self._stops if (at := buffer.find(stop)) >= 0]
        if found:
            self.stopped, self._held = True, ""
            return buffer[: min(found)[1]]
        keep = self._possible_start(buffer)
        self._held = buffer[len(buffer) - keep :]
        return buffer[: len(buffer) - keep]

    def flush(self) -> str:
        """What was held back, at the end of the stream."""
        held, self._held = self._held, ""
        cut = len(held.strip()) > 2 and any(token.startswith(held) for token in self._tokens)
        return "" if cut else held

    def _possible_start(self, buffer: str) -> int:
        """The length of the longest end of `buffer` with which a stop string begins."""
        longest = min(len(buffer), max(map(len, self._stops)) - 1)
        for length in range(longest, 0, -1):
            end = buffer[len(buffer) - length :]
            if any(stop.startswith(end) for stop in self._stops):
                return length
        return 0


class TextJoiner:
    """Makes whole characters of text that was cut inside one, and drops what cannot be made whole."""

    def __init__(self) -> None:
        self._half = ""
        self.broken = False
        """Whether a character was lost, so that nothing behind it can be trusted."""

    def feed(self, text: str) -> str:
        """`text` up to a character that was lost; half a surrogate pair waits for the other half."""
        if self.broken:
            return ""
        text = self._half + text
        self._half = text[-1:] if "\ud800" <= text[-1:] <= "\udbff" else ""
        text = text[: len(text) - len(self._half)]
        if not text.isascii():
            text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        whole, lost, _ = text.partition("\ufffd")
        self.broken = bool(lost)
        return whole


class EmulatedStream:
    """The candidates of one generation. Stops and `tokens` end a candidate wherever they appear, `word` was healed."""

    def __init__(self, request: GenerateRequest, word: str, tokens: tuple[str, ...] = ()) -> None:
        self._word = word
        self._stops = request.stop
        self._tokens = tokens
        self._one_line = request.stop_when == "line"
        self._confidence = request.confidence
        self._awaited = request.n
        self._candidates: dict[int, _CandidateStream] = {}

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

    @property
    def declined(self) -> str:
        """What the first candidate began with instead of the word at the cursor; empty where it did not."""
        first = self._candidates.get(0)
        return first.healer.said if first is not None and first.healer.failed else ""

    def take(self, delta: Delta) -> Delta | None:
        """What of `delta` is for the user; None where that is nothing."""
        candidate = self._candidates.get(delta.index)
        if candidate is None:
            candidate = _CandidateStream(
                TextHealer(self._word),
                StopFilter(self._stops, self._tokens),
                ConfidenceGate(self._confidence),
                self._one_line,
            )
            self._candidates[delta.index] = candidate
        return candidate.take(delta)

    def end(self, reason: str) -> list[Delta]:
        """End all candidates that have not ended by themselves."""
        for index in range(self._awaited):
            if index not in self._candidates:
                self._candidates[index] = _CandidateStream(
                    TextHealer(""), StopFilter(()), ConfidenceGate(NO_THRESHOLD), False
                )
        return [
            Delta(candidate.finish(), index, reason)
            for index, candidate in sorted(self._candidates.items())
            if not candidate.ended
        ]


class _CandidateStream:
    """One candidate on its way from the server to the user."""

    def __init__(self, healer: TextHealer, stops: StopFilter, gate: ConfidenceGate, one_line: bool) -> None:
        self.healer = healer
        self.ended = False
        self.cut = False
        """Whether it ended before the server said so."""
        self._stops = stops
        self._gate = gate
        self._one_line = one_line
        self._line = ""
        self._joiner = TextJoiner()

    def take(self, delta: Delta) -> Delta | None:
        if self.ended:
            return None
        # What repeats the word at the cursor is typed already, however unlikely.
        logprob = (delta.logprob or 0.0) if self.healer.settled else 0.0
        said, verdict = self._gate.feed(self.healer.feed(self._joiner.feed(delta.text)), logprob)
        text = self._first_line(self._stops.feed(said))
        reason = delta.finish_reason or verdict
        if reason and not self.healer.settled:
            self.healer.failed = True
        if self.healer.failed or self._stops.stopped or self.ended or self._joiner.broken:
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
            if character not in "\r\n":
                self._line += character
            elif self._line.strip() and not self._line.lstrip().startswith("```"):  # a chatty model's fence
                self.ended = True
                return text[:at]
            else:
                self._line = ""
        return text
