"""Secrets recognised once: an edit that removes the evidence does not reveal them."""

from __future__ import annotations

import random
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from aix_lsp.completion.text import Text
from aix_lsp.privacy import known
from aix_lsp.privacy.documents import without_secrets
from aix_lsp.privacy.secrets import redact
from tests.privacy.adversary import adversary
from tests.privacy.planted import Plant, leaks, plants
from tests.privacy.test_leaks import CODE, Session, place_of


@cache
def long_plants() -> list[Plant]:
    """Plants whose secret is long and mixed, and is masked before any edit. Computed on first use."""
    return [
        plant
        for plant in (*plants(3, 1), *adversary(3))
        if len(plant.secret) >= 12 and plant.secret.isascii() and not set(plant.secret) & set(" \n\\")
        if any(map(str.isdigit, plant.secret)) and any(map(str.isalpha, plant.secret))
        if not leaks(plant.secret, redact(plant.text, plant.language).text)
    ]


def edited(plant: Plant, at: int, typed: str, deleted: int) -> tuple[str, int]:
    """A document after an edit before the secret that does not touch it, and the cursor."""
    text = f"{CODE}{plant.text}\n{CODE}"
    start = len(CODE) + at
    end = min(start + deleted, len(CODE) + len(plant.before))
    before = Text.of(text)
    known.note(before, plant.language, *place_of(text, start))
    return text[:start] + typed + text[end:], start + len(typed)


@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_no_edit_before_a_secret_reveals_it(data: st.DataObject) -> None:
    known.forget()
    plant = data.draw(st.sampled_from(long_plants()))
    assume(plant.before)
    at = data.draw(st.integers(0, len(plant.before) - 1))
    typed = data.draw(
        st.sampled_from(["", "x", "\n", "sum(", "@@", "'", '"', "# ", "password = 'aB3$", "\U0001f600"])
    )
    deleted = data.draw(st.integers(0, 12))
    shown = redact(plant.text, plant.language).text
    value = next(i for i, (a, b) in enumerate(zip(plant.text, shown, strict=True)) if a != b)
    assume(at + deleted <= value or "://" in plant.before)  # otherwise it is a different value
    text, cursor = edited(plant, at, typed, deleted)
    clean, _ = without_secrets(Text.of(text), plant.language, *place_of(text, cursor))
    assert not leaks(plant.secret, str(clean))


def test_a_secret_is_replaced_in_other_documents_too() -> None:
    secret = "tomcat-" + "Winter%" + str(random.Random(4).randrange(100, 999))
    known.note(Text.of(f'password = "{secret}"\nx = 1\n'), "python", 1, 0)
    clean, placeholders = without_secrets(Text.of(f"log({secret!r})\n"), "python", 0)
    assert secret not in str(clean)
    assert placeholders
    known.forget()
    assert secret in str(without_secrets(Text.of(f"log({secret!r})\n"), "python", 0)[0])


def test_words_are_not_remembered() -> None:
    known.note(Text.of('password = "postgres"\nsecret = "authentication"\n'), "python", 0, 0)
    assert str(without_secrets(Text.of("import postgres, authentication\n"), "python", 0)[0]).startswith(
        "import postgres, authentication"
    )


@pytest.mark.parametrize("typed", ["x", "\n", "@@", "sum("])
async def test_a_name_cut_by_the_cursor_does_not_reveal_its_value(tmp_path: Path, typed: str) -> None:
    """Found by the campaign: typing splits the name, and the value is on the next line."""
    secret = "hockey.Winter" + "!47"
    text = f'{CODE}password = (\n    "{secret}"\n)\n'
    session = Session(tmp_path)
    try:
        await session.ask(tmp_path / "a.py", text, len(CODE) + 4, "python", typed)
    finally:
        await session.service.close()
    assert session.backend.calls
    assert secret not in session.sent()
