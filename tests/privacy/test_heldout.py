"""The held-out secrets in every position, and the held-out harmless strings."""

from __future__ import annotations

import pytest

from aix_lsp.privacy.secrets import redact
from tests.privacy.heldout import HARMLESS, KINDS, heldout
from tests.privacy.planted import leaks
from tests.privacy.test_leaks import POSITIONS, leaked


@pytest.mark.parametrize("position", POSITIONS)
def test_nothing_planted_is_left(position: str) -> None:
    found = [
        f"{plant.kind}: {plant.before}… as far as {len(secret)}"
        for plant in heldout(seed=21)
        if (secret := leaked(plant, position))
    ]
    assert found == []


def test_nothing_planted_is_left_in_a_file() -> None:
    secrets = list(heldout(seed=22, each=2))
    assert len(secrets) > 2 * KINDS > 200
    assert [p.kind for p in secrets if leaks(p.secret, redact(p.text, p.language).text)] == []


def test_harmless_strings_are_left_alone() -> None:
    """A chess position is masked: in Forsyth–Edwards Notation it looks as random as a key."""
    assert len(HARMLESS) == 60
    masked = [line for line in HARMLESS if redact(line, "python").placeholders]
    assert [line for line in masked if not line.startswith("fen")] == []
