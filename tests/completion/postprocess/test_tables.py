"""Each filter with its table of cases: where the cursor stands, what the model wrote, what is shown."""

from __future__ import annotations

from dataclasses import replace

import pytest

from aix_lsp.completion.cursor import is_multiline
from aix_lsp.completion.postprocess.balance import balance
from aix_lsp.completion.postprocess.chat import chat
from aix_lsp.completion.postprocess.duplicates import above, below, echo, overlap
from aix_lsp.completion.postprocess.indentation import indentation
from aix_lsp.completion.postprocess.lines import one_line, scope, tabs, trailing
from aix_lsp.completion.postprocess.markers import markers, placeholders
from aix_lsp.completion.postprocess.pipeline import apply, whole_words
from aix_lsp.completion.postprocess.repetition import repetition
from tests.completion.postprocess.cursors import cursor

CHATTY = [
    ("return |", "```python\na + b\n```", "a + b"),
    ("return |", "```\na + b\n```\nThis adds both.", "a + b"),
    ("    return |", "```python\n    return a + b\n```", "a + b"),
    ("return |", "a + b\n```\nThis adds both.", "a + b\n"),
    ("return |", "Here is the completed code:\n\n```python\na + b\n```\n", "a + b"),
    ("return |", "<think>\nI must add.\n</think>\n\na + b", "a + b"),
    ("return |", "<think>\nI must add.", ""),
    ("return |", "Here is the", ""),
    ("x = |", "Sure, I can help with that.", ""),
    ("x = |", "I'm sorry, but I need more context.", ""),
    ("x = |", "Sure", "Sure"),
    ("x = |", "`${name}`", "`${name}`"),
    ("x = |", "This(a)", "This(a)"),
    ("# |", "Here is the sum", "Here is the sum"),
    ('"""|', "This function adds.", "This function adds."),
    ('"""\n```\nx\n```\n|', "```python\nx\n```", "```python\nx\n```"),
]


@pytest.mark.parametrize(("source", "text", "shown"), CHATTY)
def test_chat(source: str, text: str, shown: str) -> None:
    assert chat(text, cursor(source), True).text == shown
    before = ""
    for at in range(len(text)):
        cut = chat(text[:at], cursor(source), False)
        assert cut.text.startswith(before) and shown.startswith(cut.text)
        before = cut.text


def test_chat_in_documents_of_prose() -> None:
    fenced = "```python\na + b\n```"
    assert chat(fenced, cursor("|", "markdown"), True).text == fenced
    assert chat("Here is the sum", cursor("|", "markdown"), True).text == "Here is the sum"
    assert chat("This function adds", cursor("description: |", "yaml"), True).text == "This function adds"
    assert chat("Here is more", cursor("<p>|", "javascriptreact"), True).text == "Here is more"


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
        # as long as the beginning is too short to tell, it may still become one
        ('KEY = "sk-', 'KEY = "sk-', 'KEY = "'),
        ('KEY = "sk-proj-', 'KEY = "', 'KEY = "'),
        ("x = 1", "x = 1", "x = 1"),
        # a short one is as likely the model's own
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
        # the next line again
        ("def f():\n    |\n    return x\n", "x = 1\n    return x", "x = 1"),
        ("def f():\n    |\n    return x + y\n", "x = 1\n    return x + y\n\ndef g():", "x = 1"),
        ("a = 1\n|\nfor item in items:\n", "for item in items:\n    pass", ""),
        ("a = 1\nfor |\nfor item in items:\n", "item in items:", ""),
        # the next line's words
        ("|\nraise ValueError('no such file')\n", 'x = 1\nraise ValueError("no such file")', "x = 1"),
        ("|\nresult = compute(a,b)\n", "result = compute(a, b)", ""),
        ("|\n  describe('it', () => {\n", "describe('it', () => {", "describe('it', () => {"),
        # a number or a letter apart is not the same: rows of an enum, a dict, imports, assignments
        ("x1 = compute(1)\n|\nx3 = compute(3)\n", "x2 = compute(2)", "x2 = compute(2)"),
        ("class A(Enum):\n    |\n    RIGHTS = auto()\n", "RIGHT = auto()", "RIGHT = auto()"),
        ("{\n    |\n    'max_y': max_y,\n}", "'max_x': max_x,", "'max_x': max_x,"),
        ("from a.b import cats\n|\nfrom a.b import cuts\n", "from a.b import cots", "from a.b import cots"),
        ("|\nself.minY = minY;\n", "self.minX = minX;", "self.minX = minX;"),
        # short lines, at another depth
        ("if a:\n    |\nreturn\n", "pass\n    return", "pass\n    return"),
        ("if a\n    |\nend\n", "b\nend", "b"),
        ("<p>\n    |\n</p>\n", "b\n</p>", "b"),
        # brackets are another filter's
        ("f(\n    |\n)\n", "a,\n)", "a,\n)"),
        # the word begun
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
        # the word begun is right more often than the line
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
def test_in_mid_line_a_word_is_shown_before_it_is_known_how_it_ends(
    source: str, text: str, shown: str
) -> None:
    assert overlap(text, cursor(source), False) == (shown, False)


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
        # closes what is closed further right, and opens as much
        ("if (a) {\n  b();\n|\n  c();\n}", "} else {", "} else {"),
        ("if (a) {\n  b();\n|\n  c();\n}", "} else if (d) {", "} else if (d) {"),
        ("if (a) {\n  b();\n|\n  c();\n}", "} else if (d) {\n  e();\n}", "} else if (d) {\n  e();\n"),
        ("if (a) {\n  b();\n|\n  c();\n}", "}\n\nfunction d() {", "}\n\nfunction d() {"),
        ("x = [{\n  a,\n|\n  c,\n}]", "}, {", "}, {"),
        ("x = [{\n  a,\n|\n  c,\n}]", "}, [", ""),
        ("f(function () {\n  a();\n|\n  b();\n});", "});\ng(function () {", "});\ng(function () {"),
        ("f(function () {\n  a();\n|\n  b();\n});", "});\ng({", "});\ng({"),
        ("f(function () {\n  a();\n|\n  b();\n});", "});\ng([", ""),
        # closed too far below to be seen, or left open: what follows tells
        ("class A {\n  f() {\n    a();\n  |\n" + "\n  g() {\n    a();\n  }\n" * 200, "}", "}"),
        ("switch (x) {\n|\ncase 2:\n" + "    a();\n" * 400, "case 1:\n}", "case 1:\n"),
        ("namespace a {\n|\n" + "int b;\n" * 400, "}", ""),
    ],
)
def test_balance(source: str, text: str, shown: str) -> None:
    found = balance(text, cursor(source, "javascript"), True)
    assert found.text == shown
    assert found.stop is (shown != text)


def test_in_mid_line_nothing_is_left_open_wherever_the_text_in_sight_begins() -> None:
    here = cursor('of (it.\n"""\nimport a\n\n\ndef f():\n    x = | + y', "python")
    assert balance("g(a", here, True) == ("g", True)
    assert balance("g(a)", here, True) == ("g(a)", False)


def test_what_may_open_again_is_waited_for() -> None:
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
        # both, or too few to tell
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
        # half an escape would change what follows it
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


@pytest.mark.parametrize(
    ("source", "text", "shown", "language"),
    [
        ("x = 1\n|", "y = 2\n# the file path is: src/a.py\nx", "y = 2", "python"),
        ("x = 1\n|", "# the code file is written by Python", "", "python"),
        ("x = 1;\n|", "y = 2;\n// src/a.py\n", "y = 2;", "javascript"),
        ("x = 1;\n|", "y = 2;\n// Path: a.py\n", "y = 2;", "javascript"),
        # another file, or more than its name
        ("x = 1\n|", "# see b.py\ny = 2", "# see b.py\ny = 2", "python"),
        ("x = 1\n|", "# a.py is read first\n", "# a.py is read first\n", "python"),
        ("x = 1\n|", "# path: where\n", "# path: where\n", "python"),
        # begun by the user, or the head of the file
        ("x = 1\n# |", "a.py", "a.py", "python"),
        ("|", "# a.py\nx = 1", "# a.py\nx = 1", "python"),
    ],
)
def test_echo(source: str, text: str, shown: str, language: str) -> None:
    here = replace(cursor(source, language), uri="file:///src/a.py")
    assert echo(text, here, True).text == shown


def test_a_comment_is_shown_once_it_can_be_no_echo() -> None:
    here = cursor("x = 1\n|")
    for head, shown in [("#", ""), ("# not", ""), ("# note ", ""), ("# note that", "# note that")]:
        assert echo(head, here, False).text == shown
    assert echo("y = 2\n# the file", here, False).text == "y = 2"
