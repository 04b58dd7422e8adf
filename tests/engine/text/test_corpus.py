"""Texts by digest: found while they are stored; the least recently used are dropped first."""

from __future__ import annotations

import hashlib

import pytest

from aix_lsp.engine.scheduling.ngram_index import BREAK
from aix_lsp.engine.text import corpus as module
from aix_lsp.engine.text.corpus import Corpus, digest
from aix_lsp.engine.text.encoder import TextEncoder
from aix_lsp.engine.text.vocabulary import Vocabulary
from tests.engine.tokenizers_for_tests import embedded


def encoder() -> TextEncoder:
    tokenizer = embedded()
    return TextEncoder(tokenizer, Vocabulary(tokenizer, tokenizer.get_vocab_size()))


def test_a_digest_is_a_truncated_sha256() -> None:
    assert digest("é") == hashlib.sha256("é".encode()).hexdigest()[:32]


def test_texts_are_joined_in_the_order_of_their_names() -> None:
    made = encoder()
    corpus = Corpus(made)
    corpus.add(["def a(): pass", "x = 1"])
    first, second = made.tokens("def a(): pass"), made.tokens("x = 1")
    found = corpus.of([digest("x = 1"), "unknown", digest("def a(): pass")])
    assert found.tokens.tolist() == [*second, BREAK, *first, BREAK]
    assert not len(corpus.of([])) and not len(corpus.of(["unknown"]))


def test_texts_added_later_are_found_under_the_same_names() -> None:
    corpus = Corpus(encoder())
    name = digest("x = 1")
    assert not len(corpus.of([name]))
    corpus.add(["x = 1"])
    assert len(corpus.of([name]))


def test_the_least_recently_used_text_is_dropped() -> None:
    made = encoder()
    texts = [f"value_{number} = {number}" for number in range(6)]
    size = max(len(made.tokens(text)) for text in texts)
    corpus = Corpus(made, most_tokens=3 * size)
    corpus.add(texts[:3])
    assert len(corpus.of([digest(texts[0])]))
    corpus.add(texts[3:5])
    here = [text for text in texts if len(corpus.of([digest(text)]))]
    assert here == [texts[0], *texts[3:5]]


def test_the_number_of_kept_indexes_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    made = encoder()
    texts = [f"value_{number} = {number}" for number in range(10, 16)]
    size = max(len(made.tokens(text)) for text in texts) + 1
    monkeypatch.setattr(module, "_KEPT_TOKENS", 3 * size)
    corpus = Corpus(made)
    corpus.add(texts)
    found = [corpus.of([digest(text)]) for text in texts]
    kept = [corpus.of([digest(text)]) is index for text, index in zip(texts[3:], found[3:], strict=True)]
    assert kept == [True] * 3
    assert corpus.of([digest(texts[0])]) is not found[0]


def test_one_request_searches_a_bounded_number_of_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    made = encoder()
    corpus = Corpus(made)
    corpus.add(["x = 1", "def a(): pass"])
    tokens = made.tokens("x = 1")
    monkeypatch.setattr(module, "_LONGEST_INDEX", len(tokens))
    assert corpus.of([digest("x = 1"), digest("def a(): pass")]).tokens.tolist() == [*tokens, BREAK]


def test_markers_in_a_text_stay_text() -> None:
    made = encoder()
    corpus = Corpus(made)
    corpus.add(["<|fim_middle|>"])
    marker = embedded().token_to_id("<|fim_middle|>")
    assert marker not in corpus.of([digest("<|fim_middle|>")]).tokens.tolist()
