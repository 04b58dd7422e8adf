"""Each filter with its table of cases: where the cursor is, what the model wrote, what is shown."""

from __future__ import annotations

from dataclasses import replace

import pytest

from aix_lsp.completion.cursor import is_multiline
from aix_lsp.completion.postprocess.balance import balance
from aix_lsp.completion.postprocess.markers import markers, placeholders
from aix_lsp.completion.postprocess.pipeline import (
    apply,
    indentation,
    one_line,
    scope,
    tabs,
    trailing,
    whole_words,
)
from tests.completion.postprocess.cursors import cursor


@pytest.mark.parametrize(
    ("source", "language", "text", "shown"),
    [
        ("def f():\n    |", "python", "    return 1\n    x", "return 1\n    x"),
        ("def f():\n    |", "python", "   return 1", "return 1"),
        ("def f():\n    |", "python", " return 1", "return 1"),
        ("def f():\n    x = 1\n    |", "python", "    return 1", "return 1"),
        ("func f() {\n\t|\n}", "go", "\treturn 1", "return 1"),
        ("    def f(self):\n    |", "python", "    return 1", "    return 1"),
        ("    foo(\n    |", "python", "    a,", "    a,"),
        ("  return foo\n  |", "javascript", "  .then(x)", "  .then(x)"),
        ("def f():\n    |", "python", "return 1", "return 1"),
        ("def f():\n    |", "python", "\n    return 1", "\n    return 1"),
        ("def f():\n|", "python", "    return 1", "    return 1"),
        ("def f():\n    | # later", "python", "  x", "  x"),
        ("def f():\n    x = 1\n  |", "python", "  return x", "  return x"),
        ("def f():\n    x = 1\n  |", "python", " return x", "return x"),
        ('def f():\n    """\n    |', "python", "    deeper", "    deeper"),
    ],
)
def test_indentation(source: str, language: str, text: str, shown: str) -> None:
    assert indentation(text, cursor(source, language), True).text == shown


def test_indentation_is_held_back_until_it_is_clear() -> None:
    assert indentation("   ", cursor("def f():\n    |"), False).text == ""


@pytest.mark.parametrize(
    ("source", "text", "shown"),
    [
        ("|", "foo()<|fim_middle|>bar", "foo()"),
        ("|", "foo()<｜fim▁hole｜>bar", "foo()"),
        ("|", "<fim_prefix>", ""),
        ("|", "if a < b and c <| d", "if a < b and c <| d"),
        ("|", "<s>bold</s>", "<s>bold</s>"),
        ("|", "config[PREFIX]", "config[PREFIX]"),
        ('MARK = "<|fim_middle|>"\nx = |', 'y.split("<|fim_middle|>")', 'y.split("<|fim_middle|>")'),
    ],
)
def test_markers(source: str, text: str, shown: str) -> None:
    assert markers(text, cursor(source), True).text == shown


def test_the_beginning_of_a_marker_is_held_back() -> None:
    assert markers("foo()<|fim_mid", cursor("|"), False).text == "foo()"
    assert markers("a <", cursor("|"), False).text == "a "
    assert markers("a < b", cursor("|"), False).text == "a < b"


@pytest.mark.parametrize(
    ("text", "shown", "held"),
    [
        ('KEY = "xxxxxxxxxxxx"', 'KEY = "', 'KEY = "'),
        ('KEY = "sk-proj-xxxxxxxx" + a', 'KEY = "', 'KEY = "'),
        # while the beginning is too short to decide, it may still become one
        ('KEY = "sk-', 'KEY = "sk-', 'KEY = "'),
        ('KEY = "sk-proj-', 'KEY = "', 'KEY = "'),
        ("x = 1", "x = 1", "x = 1"),
        # a short one is just as likely the model's own text
        ('x = "XXXX"', 'x = "XXXX"', 'x = "XXXX"'),
    ],
)
def test_placeholders(text: str, shown: str, held: str) -> None:
    here = replace(cursor("|"), placeholders=("xxxxxxxxxxxx", "sk-proj-xxxxxxxx", "XXXX"))
    assert placeholders(text, here, True).text == shown
    assert placeholders(text, here, False).text == held


@pytest.mark.parametrize(
    ("text", "shown", "stop"),
    [("a", "a", False), ("a\nb", "a", True), ("a\n", "a", True), ("\na", "", True), ("", "", False)],
)
def test_one_line(text: str, shown: str, stop: bool) -> None:
    assert one_line(text, cursor("|"), False) == (shown, stop)


@pytest.mark.parametrize(
    ("source", "text", "shown"),
    [
        ("x = foo(|)", "a)", "a)"),
        ("x = foo(|", "a)", "a)"),
        ("x = foo(|", "a))", "a)"),
        ("x = |", "a]", "a"),
        ("x = foo(|, b)", "a)", "a"),
        ("x = foo(|", "a) + (b)", "a) + (b)"),
        ("x = foo(|", "')]')", "')]')"),
        ("x = '|'", ")", ")"),
        ("if (a) {\n    |\n}", "b();\n}", "b();\n"),
        ("if (a) {\n    |\n", "b();\n}", "b();\n}"),
        ("if (a) {\n    if (b) {\n        |\n}", "c();\n    }\n}", "c();\n    }\n"),
        ("if (a) {\n    |\n    }\n}", "c();\n}", "c();\n}"),
        ("foo(function (x|) {\n});", "y) {", "y"),
        ("foo(function (x|)", "y) {", "y) {"),
        ("x = [\n    a,\n    |\n]", "b,\n]\ny = 1", "b,\n"),
        ("x = f(a[|\n)", "0])", "0]"),
        ("x = | + y", "f(a", "f"),
        ("x = | + y", "f(a)", "f(a)"),
        ("x = | + y", "f + 'a", "f + "),
        ("x = | + y", "'a'", "'a'"),
        ("x = |\n", "f(a", "f(a"),
        ("class A {\n  f() {\n    g(|\n" + "    a();\n" * 400, "x);\n  }", "x);\n  "),
        # closes what is closed further right, and opens the same again
        ("if (a) {\n  b();\n|\n  c();\n}", "} else {", "} else {"),
        ("if (a) {\n  b();\n|\n  c();\n}", "} else if (d) {", "} else if (d) {"),
        ("if (a) {\n  b();\n|\n  c();\n}", "} else if (d) {\n  e();\n}", "} else if (d) {\n  e();\n"),
        ("if (a) {\n  b();\n|\n  c();\n}", "}\n\nfunction d() {", "}\n\nfunction d() {"),
        ("x = [{\n  a,\n|\n  c,\n}]", "}, {", "}, {"),
        ("x = [{\n  a,\n|\n  c,\n}]", "}, [", ""),
        ("f(function () {\n  a();\n|\n  b();\n});", "});\ng(function () {", "});\ng(function () {"),
        ("f(function () {\n  a();\n|\n  b();\n});", "});\ng({", "});\ng({"),
        ("f(function () {\n  a();\n|\n  b();\n});", "});\ng([", ""),
        # closed too far below to be seen, or left open: what follows decides
        ("class A {\n  f() {\n    a();\n  |\n" + "\n  g() {\n    a();\n  }\n" * 200, "}", "}"),
        ("switch (x) {\n|\ncase 2:\n" + "    a();\n" * 400, "case 1:\n}", "case 1:\n"),
        ("namespace a {\n|\n" + "int b;\n" * 400, "}", ""),
    ],
)
def test_balance(source: str, text: str, shown: str) -> None:
    found = balance(text, cursor(source, "javascript"), True)
    assert found.text == shown
    assert found.stop is (shown != text)


def test_in_mid_line_nothing_is_left_open_wherever_the_visible_text_begins() -> None:
    here = cursor('of (it.\n"""\nimport a\n\n\ndef f():\n    x = | + y', "python")
    assert balance("g(a", here, True) == ("g", True)
    assert balance("g(a)", here, True) == ("g(a)", False)


def test_a_bracket_that_may_open_again_is_waited_for() -> None:
    here = cursor("if (a) {\n  b();\n|\n  c();\n}", "javascript")
    for text, stop in [("}", False), ("} else", False), ("}\n\nd();\n", False), ("}\nd();\ne();\n", True)]:
        assert balance(text, here, False) == ("", stop)
    assert balance("} else {", here, False) == ("} else {", False)
    assert balance("]", here, False) == ("", True)


@pytest.mark.parametrize(
    ("source", "text", "shown", "language"),
    [
        # under an opener
        (
            "def f(x):|",
            "\n    y = x\n    return y\n\n\ndef g():\n    pass",
            "\n    y = x\n    return y",
            "python",
        ),
        ("if x:|", "\n    a()\nelse:\n    b()\nc()", "\n    a()\nelse:\n    b()", "python"),
        ("    for x in y:|", "\n        z(x)\n    return z", "\n        z(x)", "python"),
        ("function f() {|", "\n  a();\n}\n\nfunction g() {", "\n  a();\n}", "javascript"),
        ("if (x) {|", "\n  a();\n} else {\n  b();\n}\nc();", "\n  a();\n} else {\n  b();\n}", "javascript"),
        ("def f|", "\n  a\nend\n\ndef g", "\n  a\nend", "ruby"),
        ("foo(|", "\n    a,\n    b,\n)\nbar()", "\n    a,\n    b,\n)", "python"),
        # on an empty line
        ("def f():\n    |", "a = 1\n    b = 2\n\n    c = 3", "a = 1\n    b = 2", "python"),
        ("def f():\n    |", "a = 1\n    return a\ndef g():", "a = 1\n    return a", "python"),
        ("|", "def f():\n    return 1\n\ndef g():\n    return 2", "def f():\n    return 1", "python"),
        ("|", "@cache\ndef f():\n    return 1\nx = 2", "@cache\ndef f():\n    return 1", "python"),
        (
            "    |",
            "if a:\n        b()\n    else:\n        c()\n    d()",
            "if a:\n        b()\n    else:\n        c()",
            "python",
        ),
        ("    |", "for (;;) {\n        a();\n    }\n    b();", "for (;;) {\n        a();\n    }", "c"),
        ("\t|", "if a {\n\t\tb()\n\t}\n\tc()", "if a {\n\t\tb()\n\t}", "go"),
    ],
)
def test_scope(source: str, text: str, shown: str, language: str) -> None:
    assert scope(text, cursor(source, language), True).text.rstrip() == shown


BLANKS, TABS = "if a:\n    b()\n    c()\n    d()\n", "if a:\n\tb()\n\tc()\n\td()\n"


@pytest.mark.parametrize(
    ("source", "text", "shown"),
    [
        (BLANKS + "|", "if e:\n    f()", "if e:\n    f()"),
        (BLANKS + "|", "if e:\n\tf()", "if e:"),
        (TABS + "|", "if e:\n\tf()\n    g()", "if e:\n\tf()"),
        (TABS + "|", "if e:\n\t  f()", "if e:\n\t  f()"),
        (TABS + "|", "/*\n * a\n */", "/*\n * a\n */"),
        (TABS + "|", "x = 1\n    ", "x = 1\n    "),
        # both, or too few to decide
        (BLANKS + TABS + "|", "if e:\n\tf()", "if e:\n\tf()"),
        ("if a:\n    b()\n|", "if e:\n\tf()", "if e:\n\tf()"),
    ],
)
def test_tabs(source: str, text: str, shown: str) -> None:
    assert tabs(text, cursor(source), True).text == shown


@pytest.mark.parametrize(
    ("source", "text", "shown"),
    [
        ("|", "foo()  \n\n", "foo()"),
        ("|", " \n\t", ""),
        ("|", ")", ")"),
        ("x|y", " or ", " or "),
        ("x|)", " or ", " or"),
    ],
)
def test_trailing(source: str, text: str, shown: str) -> None:
    assert trailing(text, cursor(source), True).text == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("foo(ba", "foo("),
        ("foo.ba", "foo"),
        ("foo.", "foo"),
        ("std::vec", "std"),
        ("at->ne", "at"),
        # half an escape sequence would change the text after it
        ("'one\\n", "'one"),
        ("'one\\", "'one"),
        ("[a, ...", "[a, ..."),
        (".ba", ".ba"),
        ("foo bar ba", "foo bar"),
        ("foo(bar)", "foo(bar)"),
        ("retu", "retu"),
        (" retu", " retu"),
        ("a\n    retu", "a"),
        (")", ")"),
        ("", ""),
    ],
)
def test_whole_words(text: str, shown: str) -> None:
    assert whole_words(text) == shown


@pytest.mark.parametrize(
    ("source", "text", "shown"),
    [
        ("def area(r):\n    return |\n", "math.pi * r ** 2\n\n\ndef", "math.pi * r ** 2"),
        ("x = f(a|\ny = 1\n", ")", ")"),
        ("x = 1|\ny = 2\n", "\ny = 2\n", ""),
        ("    |\n", "\n\n\n", ""),
    ],
)
def test_together(source: str, text: str, shown: str) -> None:
    here = cursor(source)
    assert apply(text, here, is_multiline(here, "auto"), True).text == shown
