"""Errors are counted where a text stands, whatever the text around it lacks."""

from __future__ import annotations

import pytest

from aix_lsp.completion.candidates import syntax_errors
from tests.completion.postprocess.cursors import cursor


@pytest.mark.parametrize(
    ("source", "good", "bad", "language"),
    [
        ("x = f(|\ny = 1\n", "a)", "a]", "python"),
        ("  y = 1\n        return x\nz = |\n", "f(1)", "f(1))", "python"),
        ("const f = () => {|\n", " g(); }", " g();", "javascript"),
        ("let x: number = |;\n", "f(1)", "f(1", "typescript"),
        ("func f() int {\n\t|\n}\n", "return 1", "return 1)", "go"),
        ("é = |\n", '"😀"', '"😀', "python"),
    ],
)
def test_a_text_that_parses_has_fewer(source: str, good: str, bad: str, language: str) -> None:
    here = cursor(source, language)
    assert syntax_errors(good, 0, here) < syntax_errors(bad, 0, here)


def test_what_is_replaced_does_not_count() -> None:
    here = cursor("f(|)\n", "python")
    assert syntax_errors("a)", 1, here) == 0 < syntax_errors("a)", 0, here)


def test_languages_without_a_grammar() -> None:
    assert syntax_errors("))", 0, cursor("x = |", "klingon")) == 0
