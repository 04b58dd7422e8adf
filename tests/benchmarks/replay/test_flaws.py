"""Flaws of a suggestion: tables of cases."""

from __future__ import annotations

import pytest

from benchmarks.replay.flaws import doubles, flaws

DOUBLED = [
    ("b + c", " + c\n", True),
    ("b", " + c\n", False),
    ("b)", ")\n", False),
    ("x = 1\n    return x", "\n    return x\n", True),
    ("x = 1", "\n    return x\n", False),
    ("x = 1\n}", "\n}\n", False),
    ("return x", "\n\n    return x\n", True),
    ("", "x\n", False),
]

BRACKETS = [
    ("x = f(", "a)", ")\n", "", "python", True),
    ("x = f(", "a)", "\n", ")", "python", False),
    ("x = f(", "a", ")\n", "", "python", False),
    ("x = f(", "')'", ")\n", "", "python", False),
    ("x = f(", "# )", "\n)\n", "", "python", False),
    ("x = ", "a]", "\n", "", "python", True),
    ("x = ", "g(a", " + 1\n", "", "python", True),
    ("x = ", "g(", "\n", "", "python", False),
    ("foo(function (x", ") {", "\n  bar();\n});\n", ")", "javascript", False),
    ("if (a) {\n  ", "b();\n}", "\n}\n", "", "javascript", True),
    ("if (a) {\n  ", "b();", "\n}\n", "", "javascript", False),
    ("class A:\n    ", 'def f(self):\n        """What', "\n\n    x = f(1)\n", "", "python", False),
    ("s = `${", "a}`;", "}`\n", "", "javascript", True),
    ("func f() {\n\t", "g(a", "\n}\n", "", "go", False),
    ("func f() {\n\t", "g()\n}", "\n}\n", "", "go", True),
    ("fn f() {\n    let x = '", "a'", "';\n}\n", "", "rust", False),
    # the end of another string or comment is still to be typed
    ("/**\n * A (", "b)", ")\nf(1)\n", "", "typescript", False),
    ("let a: Map<string, ", "number[]> = new Map();", "\n", "", "typescript", False),
]


@pytest.mark.parametrize(("offer", "after", "expected"), DOUBLED)
def test_doubled(offer: str, after: str, expected: bool) -> None:
    assert doubles(offer, after) is expected


@pytest.mark.parametrize(("before", "offer", "after", "replaced", "language", "expected"), BRACKETS)
def test_brackets(before: str, offer: str, after: str, replaced: str, language: str, expected: bool) -> None:
    assert flaws(before, offer, after, language, replaced).brackets is expected


def test_syntax_errors_are_compared_with_those_before() -> None:
    assert flaws("x = ", "1 +", "\ny = 2\n", "python").broken is True
    assert flaws("x = ", "1", "\ny = 2\n", "python").broken is False
    assert flaws("x = (\ny = ", "2", "\n", "python").broken is False


def test_bytes_and_characters_differ() -> None:
    assert flaws("é = 'ü'; f(", "a)", ")\n", "javascript").brackets is True
    assert flaws("é = 'ü'; f(", "a)", "\n", "javascript", ")").brackets is False
