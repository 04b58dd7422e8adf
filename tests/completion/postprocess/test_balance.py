"""Closers right of the cursor: replaced if the suggestion contains them, kept if it does not."""

from __future__ import annotations

import pytest

from aix_lsp.completion.postprocess.balance import fit
from tests.completion.postprocess.cursors import cursor


@pytest.mark.parametrize(
    ("source", "text", "fitted", "replaced"),
    [
        # nothing to the right
        ("foo(|", "a, b)", "a, b)", 0),
        ("foo(|   ", "a, b)", "a, b)", 0),
        # the editor's own closer
        ("foo(|)", "a, b)", "a, b)", 1),
        ("foo(|)", "a, b", "a, b", 0),
        ("foo(|)", ")", ")", 1),
        ("foo(|);", "a);", "a);", 2),
        ("foo(|);", "a)", "a)", 1),
        ("foo(bar(|))", "x)", "x)", 1),
        ("foo(bar(|))", "x))", "x))", 2),
        ("foo(bar(|))", "x)) + 1", "x)) + 1", 2),
        ("x = [1, |]", "2]", "2]", 1),
        ("def f(|):", "x):", "x):", 2),
        ("def f(|):", "x) -> int:", "x) -> int:", 2),
        ("def f(|):", "x", "x", 0),
        ("d = {'a': |}", "1}", "1}", 1),
        ("foo(|)", "a[0]", "a[0]", 0),
        ("foo(|)", "g(1), h(2))", "g(1), h(2))", 1),
        # only one of two was paired
        ("foo(bar(|)", "x)", "x)", 0),
        ("foo(bar(|)", "x))", "x))", 1),
        ("foo(a[|)", "0])", "0])", 1),
        # the partner is on a line above
        ("foo(\n    a,\n    b|)", ", c)", ", c)", 1),
        ("foo(\n    bar(|)\n)", "x)", "x)", 1),
        # strings
        ('print("|")', 'hello")', 'hello")', 2),
        ('print("|")', 'hello"', 'hello"', 1),
        ('print("|")', "hello :)", "hello :)", 0),
        ('print("|")', 'f(x)"', 'f(x)"', 1),
        ("print(f'|')", "{x}')", "{x}')", 2),
        # punctuation
        ("x = [|,", "1,", "1,", 1),
        ("f(|, 2)", "1", "1", 0),
        # mid-line, with words to the right
        ("foo(|) + bar", "a, b)", "a, b", 0),
        ("foo(|) + bar", "a, b) * 2", "a, b", 0),
        ("foo(|) + bar", "g(1)", "g(1)", 0),
        ("x = | + bar", "foo(1)", "foo(1)", 0),
        ("if x[|] == y:", "0]", "0", 0),
        # several lines
        ("foo(|)", "\n    a,\n    b,\n)", "\n    a,\n    b,\n)", 1),
        ("foo(|)", "\n    a,\n    b,\n", "\n    a,\n    b,\n", 0),
        ("def f(|):", "x)\n    return x", "x)", 1),
        ("def f(|):", "x):\n    return x", "x):\n    return x", 2),
    ],
)
def test_fit(source: str, text: str, fitted: str, replaced: int) -> None:
    assert fit(text, cursor(source)) == (fitted, replaced)


@pytest.mark.parametrize(
    ("source", "text", "fitted", "replaced"),
    [
        ("if (x) {|}", "\n  foo();\n}", "\n  foo();\n}", 1),
        ("f(function () {|});", "\n  g();\n});", "\n  g();\n});", 3),
        ("const s = `|`;", "a ${b}`;", "a ${b}`;", 2),
        ("if (|)", "x > 0) {\n  f();\n}", "x > 0) {\n  f();\n}", 1),
        ("// see (|)", "foo)", "foo)", 0),
    ],
)
def test_fit_in_a_language_of_braces(source: str, text: str, fitted: str, replaced: int) -> None:
    assert fit(text, cursor(source, "javascript")) == (fitted, replaced)
