"""Emulates our engine's extensions on the text of a server that lacks them. Pure: no connections.

These are token healing, any number of stop strings, structural stops, and confidence thresholds. Healing works on text
here, since the server's tokens are unknown: a cursor inside a word splits a token, and the model has never seen its
first half in that place. So the prompt is sent without the beginning of the word, and an answer is used only if it
begins with that. The prompt, and the server's cache of it, then stay the same while the word is typed.
"""

from __future__ import annotations

import re
from dataclasses import replace

from aix_lsp.backends.base import Delta, GenerateRequest
from aix_lsp.fim.confidence import ConfidenceGate
from aix_lsp.fim.prompt import FimPrompt
from aix_lsp.fim.templates import END_TOKENS, FAMILIES, Template

# A word's token includes the space before it (" name"), also where several spaces indent a line.
_WORD_END = re.compile(r" ?\w*\Z")
_LONGEST = 48
_LINE_END = re.compile(r"[\r\n]")


def markers(template: Template | None) -> tuple[str, ...]:
    """The special tokens that may leak into a server's text: those of all families if the model's is unknown."""
    if template is not None:
        found = {*template.stop, *template.markers, *template.reserved}
    else:
        # Without a bar or a bracket, a special token could just as well be code.
        found = {stop for family in FAMILIES for stop in family.stop if re.search(r"\||｜|\[|fim", stop)}
    written = {marker.replace("▁<", " <") for marker in found} | {
        marker.replace("▁<", "<") for marker in found
    }
    return tuple(sorted(written.union(END_TOKENS)))


def cut_word(prompt: FimPrompt) -> tuple[FimPrompt, str]:
    """The prompt up to the start of the word at the cursor, and the part cut off (may be empty)."""
    text = prompt.middle or prompt.prefix
    match = _WORD_END.search(text[-_LONGEST - 1 :])
    word = match[0] if match else ""
    if not word or len(word) > _LONGEST or len(word) >= len(text):
        return prompt, ""
    kept = text[: -len(word)]
    return (replace(prompt, middle=kept) if prompt.middle else replace(prompt, prefix=kept)), word


class TextHealer:
    """Removes the healed word from the beginning of a streamed answer."""

    def __init__(self, word: str) -> None:
        self._awaited = word
        self.said = ""
        """The beginning of the answer, until it is clear whether it begins with the word."""
        self.failed = False
        """Whether the answer began with something else, so that it cannot be used."""

    @property
    def settled(self) -> bool:
        """Whether the whole word has arrived."""
        return not self._awaited and not self.failed

    def feed(self, text: str) -> str:
        """The part of `text` after the cursor."""
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
    """Passes text on until a stop string comes, without letting part of one through.

    Anything that may be the beginning of a stop string is held back until the next text decides.
    """

    def __init__(self, stops: tuple[str, ...], tokens: tuple[str, ...] = ()) -> None:
        """`tokens` are stops that cannot be code even if incomplete: the model's special tokens."""
        self._stops = tuple(stop for stop in (*stops, *tokens) if stop)
        self._tokens = tokens
        self._held = ""
        self.stopped = False

    def feed(self, text: str) -> str:
        """The text that may be shown once `text` has arrived; none after `stopped`."""
        if self.stopped or not self._stops:
            return "" if self.stopped else text
        buffer = self._held + text
        # The first to be complete wins, so that the result does not depend on how the stream was split.
        found = [(at + len(stop), at) for stop in self._stops if (at := buffer.find(stop)) >= 0]
        if found:
            self.stopped, self._held = True, ""
            return buffer[: min(found)[1]]
        keep = self._possible_start(buffer)
        self._held = buffer[len(buffer) - keep :]
        return buffer[: len(buffer) - keep]

    def flush(self) -> str:
        """The text held back, at the end of the stream."""
        held, self._held = self._held, ""
        cut = len(held.strip()) > 2 and any(token.startswith(held) for token in self._tokens)
        return "" if cut else held

    def _possible_start(self, buffer: str) -> int:
        """The length of the longest suffix of `buffer` that begins a stop string."""
        longest = min(len(buffer), max(map(len, self._stops)) - 1)
        for length in range(longest, 0, -1):
            end = buffer[len(buffer) - length :]
            if any(stop.startswith(end) for stop in self._stops):
                return length
        return 0


class TextJoiner:
    """Joins text that was split within a character, and drops what cannot be repaired."""

    def __init__(self) -> None:
        self._half = ""
        self.broken = False
        """Whether a character was lost, so that nothing after it can be trusted."""

    def feed(self, text: str) -> str:
        """`text` up to a lost character; half a surrogate pair is held back until the other half arrives."""
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
    """The candidates of one generation. Stops and `tokens` end a candidate; `word` was removed from the prompt."""

    def __init__(self, request: GenerateRequest, word: str, tokens: tuple[str, ...] = ()) -> None:
        self._candidates = [_CandidateStream(request, word, tokens) for _ in range(request.n)]

    @property
    def complete(self) -> bool:
        """Whether every candidate has ended."""
        return all(candidate.ended for candidate in self._candidates)

    @property
    def cut_short(self) -> bool:
        """Whether every candidate has ended, at least one by us, so that the server computes in vain."""
        return self.complete and any(candidate.cut for candidate in self._candidates)

    @property
    def useless(self) -> bool:
        """Whether no candidate began with the word at the cursor."""
        return all(candidate.healer.failed for candidate in self._candidates)

    @property
    def declined(self) -> str:
        """What the first candidate began with instead of the word at the cursor; empty if it did begin with it."""
        first = self._candidates[0].healer
        return first.said if first.failed else ""

    def take(self, delta: Delta) -> Delta | None:
        """The part of `delta` that is for the user, or None."""
        return self._candidates[delta.index].take(delta) if delta.index < len(self._candidates) else None

    def end(self, reason: str) -> list[Delta]:
        """End all candidates that have not ended."""
        return [
            Delta(candidate.finish(), index, reason)
            for index, candidate in enumerate(self._candidates)
            if not candidate.ended
        ]


class _CandidateStream:
    """One candidate's text on its way from the server to the user."""

    def __init__(self, request: GenerateRequest, word: str, tokens: tuple[str, ...]) -> None:
        self.healer = TextHealer(word)
        self.ended = False
        self.cut = False
        """Whether it ended before the server ended it."""
        self._stops = StopFilter(request.stop, tokens)
        self._gate = ConfidenceGate(request.confidence)
        self._one_line = request.stop_when == "line"
        self._line = ""
        self._joiner = TextJoiner()

    def take(self, delta: Delta) -> Delta | None:
        if self.ended:
            return None
        # The repetition of the word at the cursor is already typed, however unlikely.
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
        """End the candidate; returns the text still held back."""
        self.ended = True
        return self._stops.flush()

    def _first_line(self, text: str) -> str:
        """If only one line is wanted: `text` up to the end of the first line that is not blank."""
        if not self._one_line:
            return text
        start = 0
        for end in _LINE_END.finditer(text):
            line = (self._line + text[start : end.start()]).strip()
            if line and not line.startswith("```"):  # a chatty model's fence
                self.ended = True
                return text[: end.start()]
            self._line, start = "", end.end()
        self._line += text[start:]
        return text
