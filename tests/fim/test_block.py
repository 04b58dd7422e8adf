"""The end of a block is found for cursors and languages of all kinds, however the text is split."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aix_lsp.fim.block import BlockEnd, indentation, opens_block
from aix_lsp.languages import language_of
from tests.engine.text.test_stops import PLACES, cut, feed

CASES = [
    (
        "python body",
        "def f():",
        "\n    x = 1\n    return x\n\ndef g():\n    pass",
        "\n    x = 1\n    return x",
    ),
    ("python else", "if x:", "\n    a\nelse:\n    b\nelephant = 1\n", "\n    a\nelse:\n    b"),
    ("statement", "    x = fo", "o(1)\n    y = 2\n", "o(1)"),
    (
        "braces and else",
        "    if (a) {",
        "\n        b();\n    } else {\n        c();\n    }\n    d();\n",
        "\n        b();\n    } else {\n        c();\n    }",
    ),
    ("tabs", "\tfor {", "\n\t\tx()\n\t}\n\ty()", "\n\t\tx()\n\t}"),
    ("ruby end", "def f", "(x)\n  x + 1\nend\n\ndef g", "(x)\n  x + 1\nend"),
    (
        "lua then",
        "if x",
        " then\n  y()\nelseif z then\n  w()\nend\nv()",
        " then\n  y()\nelseif z then\n  w()\nend",
    ),
    ("call's arguments", "foo(", "\n    a,\n    b,\n)\nbar()", "\n    a,\n    b,\n)"),
    ("close on the line", "    foo(", ")\n}\n", ")"),
    (
        "one statement in a body",
        "    ",
        "x = 1\n    for y in z:\n        w\n    return\n",
        "x = 1\n    for y in z:\n        w",
    ),
    ("a paragraph", "    ", "x = 1\n    y = 2\n\n    z = 3\n", "x = 1\n    y = 2"),
    ("model indents", "", "    x = 1\n    return x\n\ndef g():\n", "    x = 1\n    return x"),
    ("top level", "", "def f():\n    x = 1\n\n    y = 2\n\ndef g():\n", "def f():\n    x = 1\n\n    y = 2"),
    ("crlf", "def f():", "\r\n    x = 1\r\ny = 2\r\n", "\r\n    x = 1"),
    (
        "try",
        "try:",
        "\n    a\nexcept E:\n    b\nfinally:\n    c\nd\n",
        "\n    a\nexcept E:\n    b\nfinally:\n    c",
    ),
    ("do while", "do {", "\n  a();\n} while (x);\nb();\n", "\n  a();\n} while (x);"),
    ("blank lines at the end are not shown", "def f():", "\n    x\n\n\ny", "\n    x"),
]


@pytest.mark.parametrize(("name", "head", "text", "shown"), CASES, ids=[case[0] for case in CASES])
def test_block(name: str, head: str, text: str, shown: str) -> None:
    for size in (1, 2, 3, 7, 1000):
        pieces = [text[at : at + size] for at in range(0, len(text), size)]
        assert feed(BlockEnd(head), pieces)[:2] == (shown, True)


@given(head=st.text(" \tx{:(", max_size=6), text=st.text(" \n\r}x{):", max_size=40), places=PLACES)
def test_pieces_make_no_difference(head: str, text: str, places: list[int]) -> None:
    whole = feed(BlockEnd(head), [text])
    assert feed(BlockEnd(head), cut(text, places))[:2] == whole[:2]
    assert text.startswith(whole[0])


@pytest.mark.parametrize(("line", "columns"), [("  x", 2), ("\tx", 4), ("  \tx", 4), ("", 0), ("x", 0)])
def test_indentation(line: str, columns: int) -> None:
    assert indentation(line) == columns


def test_an_endless_line_of_openers_takes_linear_time() -> None:
    ruby = language_of("ruby")
    assert not opens_block("do " * 200_000 + "#", ruby)
    assert opens_block("x" * 200_000 + ".each do |item|", ruby)
