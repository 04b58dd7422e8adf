"""The secrets of the third to fifth corpora: all of them in files, those of the third and fifth in every position."""

from __future__ import annotations

import random

import pytest

from aix_lsp.privacy.secrets import redact
from tests.privacy.adversary import FORMATS, PLACES, adversary, forms, is_told_behind
from tests.privacy.planted import leaks
from tests.privacy.test_leaks import POSITIONS, leaked

_TYPED = ("half typed", "key by key")


def test_the_corpus_is_large() -> None:
    texts = list(forms())
    assert len(texts) > 1400
    assert len({kind for kind, *_ in texts}) > 120
    more = list(forms(FORMATS))
    assert len(more) > 3000
    assert len({kind for kind, *_ in more}) > 180


@pytest.mark.parametrize("position", POSITIONS)
def test_nothing_planted_is_left(position: str) -> None:
    found = [
        f"{plant.kind}: {secret}"
        for plant in (
            *adversary(seed=31),
            *adversary(31, PLACES),
            *random.Random(31).sample([*adversary(31, FORMATS)], 300),
        )
        if not (position in _TYPED and is_told_behind(plant)) and (secret := leaked(plant, position))
    ]
    assert found == []


def test_nothing_planted_is_left_in_a_file() -> None:
    secrets = (*adversary(seed=32), *adversary(32, FORMATS), *adversary(32, PLACES))
    found = [p.kind for p in secrets if leaks(p.secret, redact(p.text, p.language).text)]
    assert found == []
