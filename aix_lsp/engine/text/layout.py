"""Turns a prompt's parts into the tokens that the model reads, within its context. Knows templates and the encoder.

Cuts move in steps, so that one more keystroke does not move them, and the KV behind them stays valid.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import accumulate, chain
from typing import Any

from tokenizers import Tokenizer

from aix_lsp.engine.text.encoder import Encoded, TextEncoder
from aix_lsp.engine.text.healing import can_spell
from aix_lsp.fim.family import Segment, Template
from aix_lsp.fim.prompt import FimPrompt

_CHARACTERS_A_TOKEN = 16
"""No text has more on average. Longer texts are cut before they are tokenised."""
_HEALED_BYTES = 64
_BEFORE_CURSOR = ("prefix", "middle")
_STEPS = 16
"""Cuts move by 1/16 of the room."""


class PromptTooLong(Exception):
    """The prompt cannot be made to fit. The message is for the user."""


@dataclass(frozen=True, slots=True)
class TokenPrompt:
    """A prompt as tokens. `parts` are (part, number of tokens) in order; `typed` are the bytes to be spelled by
    generated tokens instead of the `healed` ones, which were removed from the end.
    """

    tokens: list[int]
    parts: tuple[tuple[str, int], ...]
    typed: bytes = b""
    healed: tuple[int, ...] = ()
    texts: tuple[list[int], ...] = ()
    """Its texts before any cuts; the last one is the text before the cursor, without the healed tokens."""


@dataclass(frozen=True, slots=True)
class _Piece:
    part: str
    tokens: list[int]
    encoded: Encoded | None = None


Known = dict[tuple[str, str], Encoded]
"""What has been tokenised already, by text and pad."""


class Layout:
    """Lays out prompts for one model."""

    def __init__(self, encoder: TextEncoder, template: Template | None) -> None:
        tokenizer = encoder.tokenizer
        self._encoder = encoder
        self._vocabulary = encoder.vocabulary
        self._template = template
        self._token_of: Callable[[str], Any] = tokenizer.token_to_id
        self._habit = [] if template is not None and template.bos else _habit(tokenizer)
        self._anchored = template is not None and template.anchored

    def lay_out(self, prompt: FimPrompt, room: int, heal: bool = True) -> TokenPrompt:
        """The prompt in at most `room` tokens: first context is dropped, then the suffix's end, then the prefix's
        beginning.

        Raises PromptTooLong.
        """
        prompt = _shorten(prompt, room * _CHARACTERS_A_TOKEN)
        known: Known = {}
        pieces = whole = self._pieces(prompt, known)
        if _size(pieces) > room:
            pieces = self._fit(prompt, room, known)
        typed, healed = self._heal(pieces := list(pieces)) if heal else (b"", ())
        tokens = list(chain.from_iterable(piece.tokens for piece in pieces))
        parts = tuple((piece.part, len(piece.tokens)) for piece in pieces)
        if not tokens:
            tokens, parts = [min(self._vocabulary.ends, default=0)], (("marker", 1),)
        return TokenPrompt(tokens, parts, typed, healed, _texts(whole, len(healed)))

    def _pieces(self, prompt: FimPrompt, known: Known) -> list[_Piece]:
        if self._template is None:
            segments = [Segment("text", prompt.prefix + prompt.middle, "prefix")]
        else:
            segments = self._template.segments(prompt)
        pieces = [_Piece("marker", self._habit)] if self._habit else []
        seen: Counter[str] = Counter()
        for segment in segments:
            if segment.kind == "special":
                pieces.append(_Piece(segment.part, [self._token_of(segment.text)]))
            elif segment.text:
                # The key does not depend on what is cut away elsewhere.
                key = f"{segment.part}:{seen[segment.part]}:{prompt.path}"
                seen[segment.part] += 1
                encoded = known.get((segment.text, segment.pad))
                if encoded is None:
                    encoded = self._encoder.encode(segment.text, key, segment.pad)
                    known[segment.text, segment.pad] = encoded
                pieces.append(_Piece(segment.part, encoded.tokens, encoded))
        return pieces

    def _fit(self, prompt: FimPrompt, room: int, known: Known) -> list[_Piece]:
        """The prompt cut to `room` tokens. `known` caches tokens, so that each text is tokenised once."""
        bare = self._pieces(replace(prompt, context=()), known)
        step = _step(room)
        spare = (room - _size(bare)) // step * step

        def with_files(count: int) -> list[_Piece]:
            return self._pieces(replace(prompt, context=prompt.context[:count]), known)

        if spare > 0 and prompt.context:
            # All of them are too many.
            counts = range(1, len(prompt.context))
            kept = bisect_left(counts, True, key=lambda count: _size(with_files(count)) - _size(bare) > spare)
            if kept:
                return with_files(kept)
        if _size(bare) > room:
            bare = _cut_suffix(bare, room)
        if _size(bare) > room:
            bare = _cut_prefix(bare, room)
        if _size(bare) <= room:
            return bare
        if prompt.middle and self._anchored:
            return self._fit(replace(prompt, prefix=prompt.prefix + prompt.middle, middle=""), room, known)
        raise PromptTooLong(
            f"the prompt does not fit into the {room} tokens that the model's context and max_tokens leave "
            "for it; lower max_tokens (setting maxTokens) or choose a model with a longer context"
        )

    def _heal(self, pieces: list[_Piece]) -> tuple[bytes, tuple[int, ...]]:
        """Remove the cursor's word from the prompt and return its bytes and tokens, if tokens can spell it again."""
        at = next((i for i in range(len(pieces) - 1, -1, -1) if pieces[i].encoded), -1)
        last = pieces[at].encoded if pieces else None
        if last is None or pieces[at].part not in _BEFORE_CURSOR:
            at = next((i for i, piece in enumerate(pieces) if piece.part == "prefix" and piece.encoded), -1)
            last = pieces[at].encoded if at >= 0 else None
        # If a special token follows, only an unfinished word is worth it: moving anything else would cost the KV that
        # follows.
        if last is None or (at < len(pieces) - 1 and not _in_word(last.text)):
            return b"", ()
        head, typed = self._encoder.typed(last)
        if not typed or len(typed) > _HEALED_BYTES or not can_spell(self._vocabulary, typed):
            return b"", ()
        pieces[at] = _Piece(pieces[at].part, head)
        return typed, tuple(last.tokens[len(head) :])


def _texts(pieces: list[_Piece], healed: int) -> tuple[list[int], ...]:
    others = [piece.tokens for piece in pieces if piece.encoded and piece.part not in _BEFORE_CURSOR]
    before = list(chain.from_iterable(piece.tokens for piece in pieces if piece.part in _BEFORE_CURSOR))
    return (*others, before[: len(before) - healed])


def _in_word(text: str) -> bool:
    return text[-1:].isalnum() or text.endswith("_")


def _size(pieces: list[_Piece]) -> int:
    return sum(len(piece.tokens) for piece in pieces)


def _step(room: int) -> int:
    return max(room // _STEPS, 1)


def _shorten(prompt: FimPrompt, characters: int) -> FimPrompt:
    """Cut texts that are certainly too long before they are tokenised, because tokenising megabytes takes seconds."""
    prefix, middle = prompt.prefix, prompt.middle
    if len(middle) > characters:
        prefix, middle = prefix + middle, ""
    if len(prefix) > characters:
        step = max(characters // 4, 1)
        prefix = prefix[-(-(len(prefix) - characters) // step) * step :]
    context = []
    for file, before in zip(
        prompt.context, accumulate((len(f.text) for f in prompt.context), initial=0), strict=False
    ):
        if before >= characters:
            break
        context.append(replace(file, text=file.text[:characters]))
    return replace(
        prompt, prefix=prefix, middle=middle, suffix=prompt.suffix[:characters], context=tuple(context)
    )


def _cut_suffix(pieces: list[_Piece], room: int) -> list[_Piece]:
    """Shorten the suffix as far as necessary, but leave it an eighth of the room."""
    length = sum(len(piece.tokens) for piece in pieces if piece.part == "suffix")
    step = _step(room)
    spare = (room - _size(pieces) + length) // step * step
    kept = max(spare, min(length, room // 8), 0)
    return [_Piece(piece.part, piece.tokens[:kept]) if piece.part == "suffix" else piece for piece in pieces]


def _cut_prefix(pieces: list[_Piece], room: int) -> list[_Piece]:
    step = 2 * _step(room)
    dropped = -(-(_size(pieces) - room) // step) * step
    cut = []
    for piece in pieces:
        if piece.part == "prefix" and piece.encoded and dropped < len(piece.tokens):
            encoded = replace(
                piece.encoded, tokens=piece.tokens[dropped:], word=max(piece.encoded.word - dropped, 0)
            )
            piece = _Piece(piece.part, encoded.tokens, encoded)
        cut.append(piece)
    return cut


def _habit(tokenizer: Tokenizer) -> list[int]:
    """The tokens that the tokenizer puts before every text, such as a beginning-of-sequence token."""
    whole, bare = tokenizer.encode("x").ids, tokenizer.encode("x", add_special_tokens=False).ids
    at = next((i for i in range(len(whole)) if whole[i : i + len(bare)] == bare), 0)
    return list(whole[:at])
