"""The filters that remove what is already around the cursor, or repeats: a table of cases for each."""

from __future__ import annotations

from dataclasses import replace

import pytest

from aix_lsp.completion.postprocess.duplicates import above, below, echo, overlap, repetition
from tests.completion.postprocess.cursors import cursor


@pytest.mark.parametrize(
    ("source", "text", "shown"),
    [
        # the next line again
        ("def f():\n    |\n    return x\n", "x = 1\n    return x", "x = 1"),
        ("def f():\n    |\n    return x + y\n", "x = 1\n    return x + y\n\ndef g():", "x = 1"),
        ("a = 1\n|\nfor item in items:\n", "for item in items:\n    pass", ""),
        ("a = 1\nfor |\nfor item in items:\n", "item in items:", ""),
        # the next line's words
        ("|\nraise ValueError('no such file')\n", 'x = 1\nraise ValueError("no such file")', "x = 1"),
        ("|\nresult = compute(a,b)\n", "result = compute(a, b)", ""),
        ("|\n  describe('it', () => {\n", "describe('it', () => {", "describe('it', () => {"),
        # a difference of a digit or letter counts: rows of an enum, a dict, imports, assignments
        ("x1 = compute(1)\n|\nx3 = compute(3)\n", "x2 = compute(2)", "x2 = compute(2)"),
        ("class A(Enum):\n    |\n    RIGHTS = auto()\n", "RIGHT = auto()", "RIGHT = auto()"),
        ("{\n    |\n    'max_y': max_y,\n}", "'max_x': max_x,", "'max_x': max_x,"),
        ("from a.b import cats\n|\nfrom a.b import cuts\n", "from a.b import cots", "from a.b import cots"),
        ("|\nself.minY = minY;\n", "self.minX = minX;", "self.minX = minX;"),
        # short lines, at another depth
        ("if a:\n    |\nreturn\n", "pass\n    return", "pass\n    return"),
        ("if a\n    |\nend\n", "b\nend", "b"),
        ("<p>\n    |\n</p>\n", "b\n</p>", "b"),
        # brackets are left to another filter
        ("f(\n    |\n)\n", "a,\n)", "a,\n)"),
        # the unfinished word
        ("fo|\nfor item in items:\n", "r item in items:", "r"),
        # nothing below
        ("x = |", "1", "1"),
        ("x = |\n\n\n", "1", "1"),
    ],
)
def test_below(source: str, text: str, shown: str) -> None:
    assert below(text, cursor(source), True).text.rstrip() == shown


def test_a_line_that_may_become_the_next_one_is_held_back() -> None:
    here = cursor("def f():\n    |\n    return value\n")
    assert below("x = 1\n    ret", here, False).text == "x = 1"
    assert below("x = 1\n    return other_", here, False).text == "x = 1\n    return other_"


@pytest.mark.parametrize(
    ("source", "text", "shown"),
    [
        ("x = compute(1)\n|", "x = compute(1)", ""),
        ("x = compute(1)\nx = |", "compute(1)\ny = 2", ""),
        ("x = compute(1)\n|", "x = compute(12)", "x = compute(12)"),
        # the unfinished word is right more often than the line
        ("old.width = new.width\no|", "ld.width = new.width", "ld"),
        ("old.width = new.width\nold.w|", "idth = new.width", "idth"),
        ("old.width = new.width\nold.|", "width = new.width", ""),
        ("x = compute(1)\n    |", "x = compute(1)", "x = compute(1)"),
        ("}\n|", "}", "}"),
        ("    0,\n    |", "0,", "0,"),
    ],
)
def test_above(source: str, text: str, shown: str) -> None:
    assert above(text, cursor(source), True).text == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("self.a.self.a.self.a.self.a.self.a.self.a", "self.a"),
        ("_clie_clie_clie_clie_clie_clie", ""),
        ("filename, dirname, dirname, dirname, dirname, dirname):", "filename"),
        ("codebytes(), s.encodebytes(), s.encodebytes(), s.encodebytes(),", "codebytes()"),
        ("x = x + 1; x = x + 1; x = x + 1; x = x + 1", "x = x + 1;"),
        ('f("start", f"end", f"end", f"end", f"end", f"end", f"end")', 'f("start"'),
        ("$%^&$%^&$%^&$%^&$%^&$%^&", ""),
        ("=-=-=-=-=-=-=-=-=-=-", "=-=-=-=-=-=-=-=-=-=-"),
        ("0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0", "0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0"),
        ("['char *', 'char *', 'char *', 'int']", "['char *', 'char *', 'char *', 'int']"),
        ("=" * 60, "=" * 60),
        ("# " + "-" * 60, "# " + "-" * 60),
        ("a[0], a[1], a[2], a[3], a[4], a[5]", "a[0], a[1], a[2], a[3], a[4], a[5]"),
        ("print(x)\nprint(x)\nprint(x)\n", "print(x)"),
        (
            "    [0, 0, 0],\n    [0, 0, 0],\n    [0, 0, 0],\n",
            "    [0, 0, 0],\n    [0, 0, 0],\n    [0, 0, 0],\n",
        ),
        ("    }\n    }\n}\n", "    }\n    }\n}\n"),
        ("if a:\n    foo(arg)\nif a:\n    foo(arg)\n", "if a:\n    foo(arg)"),
        ("a = read()\nb = read()\n", "a = read()\nb = read()\n"),
    ],
)
def test_repetition(text: str, shown: str) -> None:
    assert repetition(text, cursor("|"), True).text == shown


@pytest.mark.parametrize(
    ("source", "text", "shown"),
    [
        ("foo(|, baz)", "bar, baz)", "bar"),
        ("x = | + bar", "foo + bar", "foo"),
        ("x = | + bar", "foo + ba", "foo"),
        ("if |value:", "not value:", "not "),
        ("if |value:", "other:\n", ""),
        ("x = |  # the number", "1", "1"),
        ("x = |  # the number", "1\n", "1\n"),
        ("if x |value:", "== value:", "== "),
        ("f(|x)", "a, ", "a, "),
        ("return | or None", "self.x", "self.x"),
        ("foo(|)", "a)", "a)"),
        ("|e = 1", "nam", "nam"),
        ("return f(|, b)", "a\nreturn", "a"),
        ("return f(ab|, b)", "c.d(e)\nreturn", "c"),
        ("return f(ab|, b)", ".d(e)\nreturn", ""),
    ],
)
def test_overlap(source: str, text: str, shown: str) -> None:
    assert overlap(text, cursor(source), True).text == shown


@pytest.mark.parametrize(
    ("source", "text", "shown"),
    [
        ("x = | + bar", "foo", ""),
        ("x = | + bar", "foo + ", "foo"),
        ("return f|(a) {", "unction(a, b", "unction"),
        ("x = | + bar", "[foo, ", ""),
        # the rest may begin inside the word
        ("x = |bar", "fooba", ""),
        ("x = |bar", "foo, b", ""),
    ],
)
def test_in_mid_line_a_word_is_shown_before_its_end_is_known(source: str, text: str, shown: str) -> None:
    assert overlap(text, cursor(source), False) == (shown, False)


@pytest.mark.parametrize(
    ("source", "text", "shown", "language"),
    [
        ("x = 1\n|", "y = 2\n# the file path is: src/a.py\nx", "y = 2", "python"),
        ("x = 1\n|", "# the code file is written by Python", "", "python"),
        ("x = 1;\n|", "y = 2;\n// src/a.py\n", "y = 2;", "javascript"),
        ("x = 1;\n|", "y = 2;\n// Path: a.py\n", "y = 2;", "javascript"),
        # another file's name, or more than the name
        ("x = 1\n|", "# see b.py\ny = 2", "# see b.py\ny = 2", "python"),
        ("x = 1\n|", "# a.py is read first\n", "# a.py is read first\n", "python"),
        ("x = 1\n|", "# path: where\n", "# path: where\n", "python"),
        # started by the user, or at the top of the file
        ("x = 1\n# |", "a.py", "a.py", "python"),
        ("|", "# a.py\nx = 1", "# a.py\nx = 1", "python"),
    ],
)
def test_echo(source: str, text: str, shown: str, language: str) -> None:
    here = replace(cursor(source, language), uri="file:///src/a.py")
    assert echo(text, here, True).text == shown


def test_a_comment_is_shown_once_it_cannot_be_an_echo() -> None:
    here = cursor("x = 1\n|")
    for head, shown in [("#", ""), ("# not", ""), ("# note ", ""), ("# note that", "# note that")]:
        assert echo(head, here, False).text == shown
    assert echo("y = 2\n# the file", here, False).text == "y = 2"
