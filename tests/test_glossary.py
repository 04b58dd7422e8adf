"""The glossary's names exist in the code, and each term has one row."""

from __future__ import annotations

import re
from pathlib import Path

import aix_lsp

PACKAGE = Path(aix_lsp.__file__).parent
ROWS = re.findall(
    r"^\| (.+?) \| ", (PACKAGE.parent / "docs" / "glossary.md").read_text("utf-8"), re.MULTILINE
)[1:]


def test_names_are_in_the_code() -> None:
    source = "\n".join(file.read_text("utf-8") for file in PACKAGE.rglob("*.py"))
    defined = set(re.findall(r"^(?:class )?(\w+)\b", source, re.MULTILINE))
    named = [name for row in ROWS for name in re.findall(r"`(\w+)`", row)]
    assert len(named) > 15
    assert [name for name in named if name not in defined] == []


def test_no_term_is_there_twice() -> None:
    terms = [term.strip("`") for row in ROWS for term in row.split(", ")]
    assert len(terms) > 30
    assert len(set(terms)) == len(terms)
