"""Tokenises texts, most of which have been tokenised before. Knows the tokenizer, no templates or requests."""

from __future__ import annotations

import logging
import re
import threading
from bisect import bisect_right
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from tokenizers import AddedToken, Tokenizer

from aix_lsp.engine.pages.radix import common_length
from aix_lsp.engine.text.vocabulary import Vocabulary, is_marker

log = logging.getLogger(__name__)

_KEPT = 64
_KEPT_TOKENS = 1 << 20
"""Of all cached texts together."""
_LONG_TEXT = 2048
"""Texts of this many characters and more are tokenised without holding Python's lock."""
_LONG_WORD = 8
_PAD = "☺"
_LAST_WORD = re.compile(r" ?\w+\Z| ?[^\w\s]+\Z|\s+\Z")
_SAMPLES = (
    "def f(a, b):\n    return a + b\n\n\nclass A:\n\tx = 'ü世'\r\n\r\n    def g(self):\n        pass\n",
    'int main(void) {\n  // a comment\n  for (int i = 0; i < 10; i++) {\n    printf("%d\\n", i);\n  }\n}\n',
    "a\n\n  \n    b \n c;\n};\n\n\nfoo(\n)\n12345\n'''x'''\nit's\n",
)


@dataclass(frozen=True, slots=True)
class Encoded:
    """A text and its tokens. `word` is the index of the token that begins its last word (pre-token)."""

    text: str
    tokens: list[int]
    word: int
    safe_at: list[int]
    """Offsets in characters at which cutting the text does not change its tokens, …"""
    safe_tokens: list[int]
    """… and the number of tokens before each of them."""


class TextEncoder:
    """Tokenises texts as plain text: a special token's name in somebody's code stays text.

    A text that starts like the previous one under the same `key` is tokenised from the last safe offset before they
    differ: a line break after visible text, where pre-tokenizers split and beyond which they do not look. Thread-safe.
    """

    def __init__(self, tokenizer: Tokenizer, vocabulary: Vocabulary) -> None:
        self.tokenizer = tokenizer
        self.vocabulary = vocabulary
        self._backend = _plain_text_backend(tokenizer)
        self._seen: OrderedDict[str, Encoded] = OrderedDict()
        self._seen_tokens = 0
        self._lock = threading.Lock()
        self._has_words = self._backend.pre_tokenizer is not None
        first = self._backend.encode("x", add_special_tokens=False).ids
        self._leads = b"".join(map(vocabulary.bytes_of, first)) != b"x"
        """Whether the tokenizer prepends a space to a text."""
        self._incremental = True
        self._incremental = all(self._cuts_well(sample) for sample in _SAMPLES)
        if not self._incremental:
            log.info("this tokenizer does not work line by line: each keystroke tokenises the whole prompt")

    def tokens(self, text: str) -> list[int]:
        """A text's tokens, without caching."""
        found: list[int] = self._encoding(text).ids
        return found

    def _encoding(self, text: str) -> Any:
        if len(text) < _LONG_TEXT:
            return self._backend.encode(text, add_special_tokens=False)
        # A batch of one, because `encode` holds Python's lock: 0.2 s for 90,000 tokens, in which no step could begin.
        (encoding,) = self._backend.encode_batch([text], add_special_tokens=False)
        return encoding

    def encode(self, text: str, key: str = "", pad: str = "") -> Encoded:
        """Tokenise `text`. `pad` is put in front, and its tokens dropped, so that no space is prepended to the text.

        `key` says what the text is a version of; without one, nothing is cached.
        """
        key = key and f"{key}\0{pad}"
        earlier = self._seen.get(key) if self._incremental else None
        if earlier is None:
            encoded = self._chunk(text, 0, pad)
        elif earlier.text == text:
            encoded = earlier
        else:
            encoded = self._after(earlier, text, pad)
        if key:
            self._keep(key, encoded)
        return encoded

    def _keep(self, key: str, encoded: Encoded) -> None:
        with self._lock:
            earlier = self._seen.pop(key, None)
            self._seen_tokens += len(encoded.tokens) - (len(earlier.tokens) if earlier else 0)
            self._seen[key] = encoded
            while len(self._seen) > _KEPT or (self._seen_tokens > _KEPT_TOKENS and len(self._seen) > 1):
                _, dropped = self._seen.popitem(last=False)
                self._seen_tokens -= len(dropped.tokens)

    def _after(self, earlier: Encoded, text: str, pad: str) -> Encoded:
        common = common_length(earlier.text, text)
        cut = bisect_right(earlier.safe_at, common - 1) - 1
        if cut < 0:
            return self._chunk(text, 0, pad)
        at, tokens = earlier.safe_at[cut], earlier.safe_tokens[cut]
        rest = self._chunk(text, at, _PAD if self._leads else "")
        return Encoded(
            text,
            earlier.tokens[:tokens] + rest.tokens,
            tokens + rest.word,
            earlier.safe_at[:cut] + rest.safe_at,
            earlier.safe_tokens[:cut] + [tokens + count for count in rest.safe_tokens],
        )

    def _chunk(self, text: str, start: int, pad: str) -> Encoded:
        """Tokenise `text[start:]`; offsets are relative to the whole text."""
        encoding = self._encoding(pad + text[start:])
        starts = [offset[0] for offset in encoding.offsets]
        words = encoding.word_ids if self._has_words else None
        skipped = len(self._backend.encode(pad, add_special_tokens=False).ids) if pad else 0
        shift = start - len(pad)
        safe = _safe_places(text, starts, words, skipped, shift)
        safe_at = [starts[at] + shift for at in safe]
        safe_tokens = [at - skipped for at in safe]
        pre_tokens = words[skipped:] if words is not None and not self._leads else None
        word = _last_word(text, [at + shift for at in starts[skipped:]], pre_tokens)
        return Encoded(text, encoding.ids[skipped:], word, safe_at, safe_tokens)

    def _cuts_well(self, sample: str) -> bool:
        whole = self._chunk(sample, 0, "").tokens
        return all(
            self._after(self._chunk(sample[:at], 0, ""), sample, "").tokens == whole
            for at in range(1, len(sample))
        )

    def typed(self, encoded: Encoded) -> tuple[list[int], bytes]:
        """(the tokens before the last word, that word's bytes as the tokenizer sees them)."""
        head, tail = encoded.tokens[: encoded.word], encoded.tokens[encoded.word :]
        return head, b"".join(map(self.vocabulary.bytes_of, tail))


def _safe_places(
    text: str, starts: list[int], words: list[int | None] | None, first: int, shift: int
) -> list[int]:
    """Indices of tokens before which the text may be cut: at a line break after visible text, or after line breaks that
    are part of a token of visible characters.
    """
    found = []
    word_start = first
    for at in range(first, len(starts)):
        place = starts[at] + shift
        new_word = at == first or words is None or words[at] != words[at - 1]
        if not new_word:
            continue
        if place > 0 and (at == first or starts[at - 1] < starts[at]):
            here, before = text[place], text[place - 1]
            if here in "\r\n":
                safe = not before.isspace()
            else:
                word = text[starts[word_start] + shift : place]
                safe = before == "\n" and words is not None and not word.isspace()
            if safe:
                found.append(at)
        word_start = at
    return found


def _last_word(text: str, starts: list[int], words: list[int | None] | None) -> int:
    """Index of the token that begins the last word: the tokenizer's own word if those are short, otherwise an
    approximation.
    """
    if not starts:
        return 0
    by_words = 0
    if words is not None:
        by_words = next((at + 1 for at in range(len(words) - 2, -1, -1) if words[at] != words[-1]), 0)
        if len(words) - by_words <= _LONG_WORD:
            return by_words
    found = _LAST_WORD.search(text, max(len(text) - 256, 0))
    by_text = max(bisect_right(starts, found.start() if found else len(text) - 1) - 1, 0)
    while by_text > 0 and starts[by_text - 1] == starts[by_text]:
        by_text -= 1
    return max(by_words, by_text)


def _plain_text_backend(tokenizer: Tokenizer) -> Tokenizer:
    """The tokenizer without its markers, and without what it adds around a text. The two share their vocabulary.

    A new token gets the next free id. So a marker that comes before one which is text has a stand-in that occurs in
    no text: a noncharacter of Unicode.
    """
    plain = Tokenizer(tokenizer.model)
    for part in ("normalizer", "pre_tokenizer"):
        if (made := getattr(tokenizer, part)) is not None:
            setattr(plain, part, made)
    for token, added in sorted(tokenizer.get_added_tokens_decoder().items()):
        if not is_marker(added.content, added.special):
            plain.add_tokens([added])
        elif tokenizer.model.token_to_id(added.content) is None:
            plain.add_tokens([AddedToken(f"\ufdd0{token}", normalized=False)])
    return plain
