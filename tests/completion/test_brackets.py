"""Brackets and quotes without a partner, in code, strings and comments."""

from __future__ import annotations

import pytest

from aix_lsp.completion.brackets import LINE_COMMENT, state_at, unpaired


@pytest.mark.parametrize(
    ("text", "language", "state", "openers", "closers", "after"),
    [
        ("f(a, [b", "python", "", "([", "", ""),
        ("a) + b]", "python", "", "", ")]", ""),
        ("f(')')", "python", "", "", "", ""),
        ("f('it\\'s (')", "python", "", "", "", ""),
        ("# (", "python", "", "", "", LINE_COMMENT),
        ("# (\nf(", "python", "", "(", "", ""),
        ("// (\n/* ( */ {", "c", "", "{", "", ""),
        ("s = '''(", "python", "", "", "", "'''"),
        ("(''' + x)", "python", "'''", "", "')", ""),
        ('hello")', "python", '"', "", '")', ""),
        ("fn f<'a>(x: &'a str", "rust", "", "(", "", ""),
        ("`${x}` + `(", "javascript", "", "", "", "`"),
        ("a = /['(]\\/`/.test(", "javascript", "", "(", "", ""),
        ("f(/[/(]/g, {", "typescript", "", "({", "", ""),
        ("a = (b) / c + '(' / d", "javascript", "", "", "", ""),
        ("'a, /' + f(b, '/', [", "javascript", "", "([", "", ""),
        ("// see: /'/\nf(", "javascript", "", "(", "", ""),
        ("it's (fine", "markdown", "", "(", "", ""),
        ('"left open\n(', "python", "", "(", "", ""),
        (")(", "python", "", "(", ")", ""),
    ],
)
def test_unpaired(text: str, language: str, state: str, openers: str, closers: str, after: str) -> None:
    found = unpaired(text, language, state)
    assert "".join(bracket.char for bracket in found.openers) == openers
    assert "".join(bracket.char[0] for bracket in found.closers) == closers
    assert found.state == after


@pytest.mark.parametrize(
    ("before", "language", "state"),
    [
        ('def f():\n    """Doc."""\n    x = "', "python", '"'),
        ('def f():\n    """Doc.\n\n    more', "python", '"""'),
        ('the end of it.\n    """\n    x = 1\n    return f(', "python", ""),
        ('the end of it.\n    """\n    x = 1\n\n\ndef g():\n    """Words', "python", '"""'),
        ("", "python", ""),
        ("// it's\nf(", "c", ""),
    ],
)
def test_state_when_the_beginning_is_unknown(before: str, language: str, state: str) -> None:
    assert state_at(before, language) == state
