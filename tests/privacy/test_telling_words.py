"""A line that is skipped because of its words contains nothing that the full search would find."""

from __future__ import annotations

import random
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

from aix_lsp.privacy.credential_calls import calls
from aix_lsp.privacy.line_states import PLAIN
from aix_lsp.privacy.scanned_line import ScannedLine, Style
from aix_lsp.privacy.secret_kinds import NAMES
from aix_lsp.privacy.secrets import spans_of
from aix_lsp.privacy.telling_words import Evidence, evidence_in, is_plain, is_whole
from tests.privacy.adversary import adversary
from tests.privacy.heldout import heldout
from tests.privacy.planted import plants

_FILES = 30


def _lines() -> Iterator[str]:
    for plants_of in (plants(3, 1), heldout(3, 1), adversary(3)):
        for plant in plants_of:
            yield from plant.text.split("\n")
    files = sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))
    for file in random.Random(3).sample(files, _FILES):
        yield from file.read_text("utf-8", "replace").split("\n")


@pytest.mark.parametrize("style", Style)
def test_plain_lines_hold_nothing(style: Style) -> None:
    plain = 0
    for line in dict.fromkeys(_lines()):
        evidence_in(line)  # judges its words
        if is_plain(line):
            plain += 1
            assert spans_of(line, PLAIN, style) == ([], PLAIN), line
    assert plain > 1000


def test_words_that_were_forgotten_are_judged_again() -> None:
    words = ["q" + "".join(chr(ord("k") + int(digit)) for digit in str(number)) for number in range(70_000)]
    for word in [*words, *words[::1000]]:
        assert bool(evidence_in(word)) != is_plain(word)


def test_a_line_with_a_name_says_so() -> None:
    named = 0
    for line in dict.fromkeys(_lines()):
        if any(it.lastgroup != "vendor" and is_whole(it[0], line[it.end() :]) for it in NAMES.finditer(line)):
            named += 1
            assert evidence_in(line) & Evidence.NAME, line
    assert named > 1000


@pytest.mark.parametrize(
    ("line", "evidence"),
    [
        ("the session-id is", Evidence.NAME),
        ("create user bob identified   by", Evidence.NAME),
        ("my seed phrase:", Evidence.NAME),
        ("self.pin code = 4", Evidence.NAME),
        ("const пароль = 1", Evidence.NAME),
        ("dbPass = 1", Evidence.NAME),
        ("bypass = compass", 0),
        ("twilio = 1", Evidence.VENDOR),
        ("return session.path", 0),
        ("x" * 5000 + "Password", Evidence.NAME),
    ],
)
def test_words(line: str, evidence: int) -> None:
    assert evidence_in(line) & (Evidence.NAME | Evidence.VENDOR) == evidence


def test_a_list_of_strings_is_no_call() -> None:
    assert not [*calls(ScannedLine('["auth", "abc123", "key"]', Style.QUOTED))]
