"""Tokenising from the first difference of two texts equals tokenising the whole; markers in a text stay text."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, models

from aix_lsp.engine.text.encoder import TextEncoder
from aix_lsp.engine.text.vocabulary import Vocabulary
from tests.engine.tokenizers_for_tests import ALL

ENCODERS: dict[str, tuple[TextEncoder, Vocabulary]] = {}


def encoder(kind: str) -> tuple[TextEncoder, Vocabulary]:
    if kind not in ENCODERS:
        tokenizer = ALL[kind]()
        vocabulary = Vocabulary(tokenizer, max(tokenizer.get_vocab().values()) + 1)
        ENCODERS[kind] = TextEncoder(tokenizer, vocabulary), vocabulary
    return ENCODERS[kind]


WORDS = (
    "def return self. foo( ) ): { } }; # 's 12 3.14 ü 世界 👍🏽 é ' // -> ▁ <fim_prefix> <|fim_middle|> <s>"
)
BLANKS = [" ", "  ", "\n", "\n", "\n\n", "\r\n", "\r", "\t", "\n    ", "    \n", "\x00", "\u3000"]
CODE = st.lists(st.one_of(st.sampled_from(WORDS.split() + BLANKS), st.text(max_size=4)), max_size=60).map(
    "".join
)


@pytest.mark.parametrize("kind", ALL)
@given(head=CODE, old=CODE, new=CODE, more=CODE)
@settings(max_examples=150)
def test_incremental_tokenisation_equals_tokenising_the_whole(
    kind: str, head: str, old: str, new: str, more: str
) -> None:
    used, _ = encoder(kind)
    assert used._incremental
    for text in (head + old, head + new, head + new + more, head):
        assert used.encode(text, "key").tokens == used.encode(text).tokens


@pytest.mark.parametrize("kind", ALL)
@given(text=CODE)
@settings(max_examples=150)
def test_bytes_of_tokens_are_the_text(kind: str, text: str) -> None:
    used, vocabulary = encoder(kind)
    encoded = used.encode(text)
    data = b"".join(map(vocabulary.bytes_of, encoded.tokens))
    if kind == "qwen":
        import unicodedata

        text = unicodedata.normalize("NFC", text)
    if kind == "llama":
        text = " " * bool(text) + text.replace("▁", " ")
    assert data == text.encode()
    assert not vocabulary.markers.intersection(encoded.tokens)


@pytest.mark.parametrize("kind", ALL)
@given(text=CODE)
@settings(max_examples=100)
def test_the_typed_word_is_the_end_of_the_text(kind: str, text: str) -> None:
    used, vocabulary = encoder(kind)
    encoded = used.encode(text)
    head, typed = used.typed(encoded)
    assert head == encoded.tokens[: len(head)]
    assert b"".join(map(vocabulary.bytes_of, encoded.tokens)).endswith(typed)
    assert bool(typed) == bool(text)


@pytest.mark.parametrize(
    ("kind", "text", "typed"),
    [
        ("embedded", "def f(x):\n    ret", "ret"),
        ("embedded", "x = foo", " foo"),
        ("embedded", "foo(", "("),
        ("embedded", "if x:\n    ", "\n    "),
        ("embedded", "x = '世", "世"),
        ("embedded", "x = read_li", "_li"),
        ("qwen", "def f(x):\n    ret", " ret"),
        ("qwen", "foo.bar", ".bar"),
        ("llama", "x = ret", " ret"),
        ("llama", "self.assert", "assert"),
    ],
)
def test_how_much_is_healed(kind: str, text: str, typed: str) -> None:
    used, _ = encoder(kind)
    assert used.typed(used.encode(text))[1].decode() == typed


def test_a_pad_keeps_sentencepiece_from_adding_a_space() -> None:
    used, vocabulary = encoder("llama")

    def spelled(pad: str) -> bytes:
        return b"".join(map(vocabulary.bytes_of, used.encode("foo(bar)", pad=pad).tokens))

    assert spelled("") == b" foo(bar)"
    assert spelled("☺") == b"foo(bar)"


def test_one_more_keystroke_tokenises_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    used, _ = encoder("embedded")
    text = "    x = compute(y)\n" * 400
    used.encode(text, "doc")
    seen: list[int] = []
    whole = used._chunk

    def noting(text: str, start: int, pad: str) -> object:
        seen.append(len(text) - start)
        return whole(text, start, pad)

    monkeypatch.setattr(used, "_chunk", noting)
    used.encode(text + "    ret", "doc")
    assert seen == [1 + len("    ret")]


def test_text_after_a_special_token_keeps_its_ids() -> None:
    """Added tokens are numbered in order; the encoder's own tokenizer has no markers, but the same numbers."""
    made = Tokenizer.from_str(ALL["embedded"]().to_str())
    made.add_tokens([AddedToken("<mark>", special=True), AddedToken("\u2983", normalized=False)])
    made.add_tokens([AddedToken("<|hole|>"), AddedToken("\u2984\u2984", normalized=False)])
    vocabulary = Vocabulary(made, made.get_vocab_size())
    used = TextEncoder(made, vocabulary)
    text = "f(a\u2983b) \u2984\u2984"
    assert used.tokens(text) == made.encode(text, add_special_tokens=False).ids
    assert b"".join(map(vocabulary.bytes_of, used.tokens("<mark><|hole|>"))) == b"<mark><|hole|>"
    assert not vocabulary.markers.intersection(used.tokens("<mark><|hole|>"))


def test_bytes_of_a_unigram_model_that_falls_back_to_bytes() -> None:
    pieces = [("<unk>", 0.0), ("ab", -1.0), *((f"<0x{byte:02X}>", -9.0) for byte in range(256))]
    made = Tokenizer(models.Unigram(pieces, 0, byte_fallback=True))
    vocabulary = Vocabulary(made, len(pieces))
    assert [vocabulary.bytes_of(token) for token in made.encode("ab\n").ids] == [b"ab", b"\n"]
