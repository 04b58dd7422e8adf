"""The bytes of each token. Knows the tokenizer's files, no prompts or user text."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping
from functools import lru_cache
from itertools import accumulate
from typing import Any

from tokenizers import Tokenizer

_SPACE = "▁"


def _byte_alphabet() -> dict[str, int]:
    """The printable characters by which byte-level BPE represents bytes (Radford et al. 2019, GPT-2)."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in set(printable)]
    alphabet = {chr(byte): byte for byte in printable}
    alphabet.update({chr(256 + at): byte for at, byte in enumerate(others)})
    return alphabet


class Vocabulary:
    """The bytes of each token, and tokens by their bytes.

    `markers` are the special tokens and any others that represent no text: they have no bytes, searches do not return
    them, and `banned` are those of them that the model must not write.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        size: int,
        ends: Iterable[int] = (),
        markers: Iterable[int] = (),
        known: Mapping[str, int] | None = None,
    ) -> None:
        """`known` is the tokenizer's `get_vocab()`, if the caller has it: that of 150,000 tokens takes 0.3 s."""
        self.ends = frozenset(ends)
        """Tokens that end a generation."""
        table = [b""] * size
        decode = _decoder(tokenizer)
        for piece, token in (known or tokenizer.get_vocab()).items():
            if token < size:
                table[token] = decode(piece)
        for token, added in tokenizer.get_added_tokens_decoder().items():
            if token < size:
                marker = is_marker(added.content, added.special)
                table[token] = b"" if marker else added.content.encode()
        for token in (*self.ends, *markers):
            if token < size:
                table[token] = b""
        self._keep(table)
        self.banned = tuple(sorted(self.markers - self.ends))

    def _keep(self, table: list[bytes]) -> None:
        """Store the tokens' bytes side by side: an object for each of 150,000 would take 22 MB."""
        self.size = len(table)
        self.markers = frozenset(token for token, data in enumerate(table) if not data)
        self._bytes = b"".join(table)
        self._starts = array("I", accumulate(map(len, table), initial=0))
        visible = (token for token, data in enumerate(table) if data)
        self._sorted = array("I", sorted(visible, key=table.__getitem__))

    def bytes_of(self, token: int) -> bytes:
        """A token's bytes; empty for a marker."""
        return self._bytes[self._starts[token] : self._starts[token + 1]] if token < self.size else b""

    def beginning_with(self, data: bytes) -> list[int]:
        """The tokens whose bytes begin with `data`, which must not be empty."""
        low = bisect_left(self._sorted, data, key=self.bytes_of)
        high = bisect_right(self._sorted, data, low, key=lambda token: self.bytes_of(token)[: len(data)])
        return self._sorted[low:high].tolist()

    @lru_cache(maxsize=4096)  # noqa: B019 - as below; a word's beginnings are looked up again at each of its keys
    def equal_to(self, data: bytes) -> tuple[int, ...]:
        """The tokens whose bytes are `data`."""
        low = bisect_left(self._sorted, data, key=self.bytes_of)
        high = bisect_right(self._sorted, data, low, key=self.bytes_of)
        return tuple(self._sorted[low:high])

    @lru_cache(maxsize=64)  # noqa: B019 - one vocabulary lives as long as its process
    def spelling(self, data: bytes) -> tuple[int, ...]:
        """The tokens that can begin a text whose bytes begin with `data`: its prefixes and its extensions."""
        found = self.beginning_with(data)
        for length in range(1, len(data)):
            found += self.equal_to(data[:length])
        return tuple(found)


def is_marker(content: str, special: bool) -> bool:
    """Whether an added token represents structure rather than text.

    Some tokenizers do not flag their fill-in-the-middle tokens as special, and some add runs of blanks, which are text.
    """
    bare = content.strip(" ▁")
    return special or (bare[:1] in ("<", "[") and bare[-1:] in (">", "]") and len(bare) > 2)


def _decoder(tokenizer: Tokenizer) -> Any:
    kinds = _as_json(tokenizer.decoder)
    if '"ByteLevel"' in kinds:
        # Only one call per token: there are 150,000. A character not in the alphabet becomes one that Latin-1 lacks.
        letters = dict.fromkeys(range(256), "Δ")
        letters |= {ord(character): chr(byte) for character, byte in _byte_alphabet().items()}

        def byte_level(piece: str) -> bytes:
            try:
                return piece.translate(letters).encode("latin-1")
            except UnicodeEncodeError:
                return piece.encode()

        return byte_level
    falls_back = getattr(tokenizer.model, "byte_fallback", None)
    if falls_back is None:  # known of one kind of model only
        falls_back = '"byte_fallback":true' in _as_json(tokenizer.model)
    bytes_for_unknown = falls_back or '"ByteFallback"' in kinds

    def sentence_piece(piece: str) -> bytes:
        if bytes_for_unknown and len(piece) == 6 and piece.startswith("<0x") and piece.endswith(">"):
            return bytes([int(piece[3:5], 16)])
        return piece.replace(_SPACE, " ").encode()

    return sentence_piece


def _as_json(part: Any) -> str:
    """A tokenizer's part as its library stores it."""
    state: bytes = part.__getstate__() if part is not None else b""
    return state.decode()
