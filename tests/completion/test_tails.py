"""What of a suggestion adds no syntax error: where the cursor stands, what the model wrote, what is left."""

from __future__ import annotations

import pytest

from aix_lsp.completion.syntax import adds_error
from aix_lsp.completion.tails import sound
from tests.completion.postprocess.cursors import cursor


@pytest.mark.parametrize(
    ("source", "text", "left", "language"),
    [
        # a tail that the model parrots
        ("x = |\n", "read(path) else:", "read(path)", "python"),
        ("x = |\n", "timezone.utctimezone.utc +", "timezone.utctimezone.utc", "python"),
        ("if (|)\n  a();\n", "b; i++) {", "b", "javascript"),
        ("x = a |\n", "timezone.utc", "", "python"),
        ("with open(a) as f:\n    x = |\n", "load(a) as f", "load(a)", "python"),
        ("x = f(|)\n", "a as b", "a", "python"),
        # a head that runs into the line's rest is none
        ("x = f(|b)\n", "a as c", "", "python"),
        ("x = f(|, b)\n", "a as c", "a", "python"),
        # right as it is
        ("x = |\n", "f(1)", "f(1)", "python"),
        ("x = f(|)\n", "1, 2", "1, 2", "python"),
        ("x = f(|)\n", "1)", "1)", "python"),
        ("def f():\n    |\n", "return 1", "return 1", "python"),
        ("with |:\n    pass\n", "open(a) as f", "open(a) as f", "python"),
        ("with open(a) |\n", "as f:", "as f:", "python"),
        ("with (|):\n    pass\n", "open(a) as f, b as c", "open(a) as f, b as c", "python"),
        ("try:\n    a()\nexcept |:\n    pass\n", "(A, B) as e", "(A, B) as e", "python"),
        ("|\n", "import a as b", "import a as b", "python"),
        ("match a:\n    case |:\n        pass\n", "[b, c] as d", "[b, c] as d", "python"),
        # begun, and for the user to end
        ("x = |\n", "f(", "f(", "python"),
        ("x = |\n", "f(a, [b", "f(a, [b", "python"),
        ("x = |\n", "'a b", "'a b", "python"),
        ("|\n", "def f(x):", "def f(x):", "python"),
        ("if a:\n    b()\n|\n", "else:", "else:", "python"),
        ("|\n", "if (a) {", "if (a) {", "javascript"),
        ("|\n", "items.map((item) => {\n  f(item", "items.map((item) => {\n  f(item", "javascript"),
        # the line was wrong before
        ("x = = |\n", "1", "1", "python"),
        # prose, and languages without a grammar
        ("# no |\n", "more of (these", "more of (these", "python"),
        ('"""Say\n|\n', "what (it does", "what (it does", "python"),
        ("x = |\n", "a b )(", "a b )(", "klingon"),
    ],
)
def test_sound(source: str, text: str, left: str, language: str) -> None:
    assert sound(text, cursor(source, language)) == left


@pytest.mark.parametrize(
    ("source", "text", "left", "language"),
    [
        ("i|\n", "f", "f", "python"),
        ("f|\n", "rom a", "rom a", "python"),
        ("f|\n", "or x", "or x", "python"),
        ("x = |\n", "a if b", "a if b", "python"),
        ("x = f(|\n", "a if b", "a if b", "python"),
        ("x = |\n", "a +", "a +", "python"),
        ("|\n", "def f", "def f", "python"),
        ("|\n", "const", "const", "javascript"),
        ("|\n", "import { a }", "import { a }", "javascript"),
        ("|\n", "x = a ? b", "x = a ? b", "javascript"),
        ("|\n", "function", "function", "javascript"),
        # nothing that goes on mends it
        ("x = |\n", "read(path) else:", "read(path)", "python"),
        ("if (|)\n  a();\n", "b; i++) {", "b", "javascript"),
    ],
)
def test_what_the_model_has_not_ended_may_go_on(source: str, text: str, left: str, language: str) -> None:
    assert sound(text, cursor(source, language), ended=False) == left


@pytest.mark.parametrize(
    ("source", "text", "ends_line", "wrong"),
    [
        ("x = |\n", "1", True, False),
        ("é = '😀'; y = |\n", "1 2", True, True),
        ("y = 1; x|\n", " 2 3", False, True),
        # an unfinished line is as wrong without the text
        ("x = |\n", "1 2", True, True),
        ("x = |\n", "1 2", False, False),
        ("x = |\n", "", True, True),
        ("x = |\n", "", False, False),
        # what is wrong elsewhere is not the text's
        ("x = |\n)]} def\n", "1", True, False),
    ],
)
def test_adds_error(source: str, text: str, ends_line: bool, wrong: bool) -> None:
    assert adds_error(text, 0, cursor(source), ends_line) is wrong
