"""Constrained spelling always ends in exactly the bytes that were typed, whatever the model prefers."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aix_lsp.engine.text.healing import Healing, can_spell
from aix_lsp.engine.text.vocabulary import Vocabulary
from tests.engine.text.test_encoder import encoder
from tests.engine.tokenizers_for_tests import ALL

WORDS = st.one_of(
    st.sampled_from([" retu", "\n    ", "ü", "世界", "👍🏽", " '世", "self", "((", "\t", " x", "é"]),
    st.text(min_size=1, max_size=8),
).map(lambda text: text.encode("utf-8", "replace"))


@pytest.mark.parametrize("kind", ALL)
@given(typed=WORDS, choices=st.lists(st.integers(0, 10**6), min_size=60, max_size=60))
@settings(max_examples=150)
def test_the_typed_text_is_spelled_and_never_shown(kind: str, typed: bytes, choices: list[int]) -> None:
    _, vocabulary = encoder(kind)
    assert can_spell(vocabulary, typed)
    healing = Healing(vocabulary, typed)
    spelled, told = b"", b""
    for choice in choices:
        allowed = healing.allowed
        if allowed is None:
            break
        assert allowed
        token = allowed[choice % len(allowed)]
        assert token not in vocabulary.markers
        data = vocabulary.bytes_of(token)
        spelled += data
        told += healing.accept(data)
    assert healing.allowed is None
    assert spelled == typed + told


@pytest.mark.parametrize("kind", ALL)
@given(text=WORDS.map(lambda typed: typed.decode("utf-8", "replace")), wrong_from=st.integers(0, 8))
@settings(max_examples=60)
def test_the_removed_tokens_are_likely_until_the_model_writes_others(
    kind: str, text: str, wrong_from: int
) -> None:
    encoded, vocabulary = encoder(kind)
    removed = encoded.tokens(text)
    pieces = [vocabulary.bytes_of(token) for token in removed]
    healing = Healing(vocabulary, b"".join(pieces), removed)
    for at, token in enumerate(removed):
        assert list(healing.likely) == removed[at:]
        limits = healing.allowed_after(removed[at:])
        assert limits[0] == healing.allowed and limits[-1] is None
        assert all(limit and token in limit for limit, token in zip(limits, removed[at:], strict=False))
        if at == wrong_from:
            healing.accept(pieces[at] + b"?")
            break
        healing.accept(pieces[at])
    assert not healing.likely


@given(typed=WORDS)
@settings(max_examples=60)
def test_every_possible_token_is_allowed(typed: bytes) -> None:
    _, vocabulary = encoder("embedded")
    allowed = set(Healing(vocabulary, typed).allowed or ())
    for token in range(vocabulary.size):
        data = vocabulary.bytes_of(token)
        fits = bool(data) and (data.startswith(typed) or typed.startswith(data))
        assert (token in allowed) == fits


class TinyVocabulary(Vocabulary):
    """Only the pieces given."""

    def __init__(self, *pieces: bytes) -> None:
        self._keep(list(pieces))


@pytest.mark.parametrize(
    ("pieces", "typed", "can"),
    [
        ((b"ab", b"a", b"b"), b"ab", True),
        ((b"abc",), b"ab", True),
        ((b"a", b"abc"), b"ab", False),  # after "a", no token continues with "b"
        ((b"x",), b"ab", False),
        ((b"a", b"bc"), b"ab", True),
    ],
)
def test_a_vocabulary_without_bytes_may_not_be_able_to_spell(
    pieces: tuple[bytes], typed: bytes, can: bool
) -> None:
    assert can_spell(TinyVocabulary(*pieces), typed) is can
