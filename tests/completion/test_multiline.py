"""What the cursor stands in, and how far a suggestion may go there."""

from __future__ import annotations

import pytest

from aix_lsp.completion.cursor import Extent, Multiline, SyntacticContext, extent, syntactic_context
from tests.completion.postprocess.cursors import cursor


@pytest.mark.parametrize(
    ("source", "language", "wanted"),
    [
        ("x = |", "python", "code"),
        ("def f():\n    |", "python", "code"),
        ("x = f(|", "python", "parentheses"),
        ("x = f(a,\n      |", "python", "parentheses"),
        ("def f(a, |", "python", "parentheses"),
        ("x = f(a)|", "python", "code"),
        ("x = f([|", "python", "code"),
        ("f(function () {|", "javascript", "code"),
        ("# a (|", "python", "comment"),
        ("x = 1  # a|", "python", "comment"),
        ("/* a\n * |", "c", "comment"),
        ("/* a */ |", "c", "code"),
        ("x = 'a|", "python", "string"),
        ("x = 'a'|", "python", "code"),
        ("f('a|", "python", "string"),
        ('def f():\n    """Say.\n\n    |', "python", "long string"),
        ('def f():\n    """Say."""\n    |', "python", "code"),
        ("x = `a ${|", "javascript", "long string"),
        ("Some words |", "markdown", "prose"),
    ],
)
def test_surroundings(source: str, language: str, wanted: SyntacticContext) -> None:
    assert syntactic_context(cursor(source, language)) == wanted


@pytest.mark.parametrize(
    ("source", "multiline", "wanted", "language"),
    [
        ("x = |", "auto", "line", "python"),
        ("|", "auto", "block", "python"),
        ("def f():\n    |", "auto", "block", "python"),
        # a block opener
        ("def f():|", "auto", "block", "python"),
        ("if (x) {|}", "auto", "block", "javascript"),
        ("if (x) {|", "auto", "block", "javascript"),
        ("x => |", "auto", "block", "javascript"),
        ("items.each do |", "auto", "block", "ruby"),
        ("x = [|", "auto", "block", "python"),
        ("x = {|\n", "auto", "block", "python"),
        # the next line's indentation
        ("def f():|\n    return 1", "auto", "line", "python"),
        ("def f():\n|\n    return 1", "auto", "line", "python"),
        ("def f():\n    |\n    return 1", "auto", "block", "python"),
        ("def f():\n    |\nx = 1", "auto", "block", "python"),
        # a call, a signature
        ("f(|)", "auto", "line", "python"),
        ("f(|", "auto", "line", "python"),
        ("f(\n    a,\n    |", "auto", "line", "python"),
        ("def f(|", "auto", "line", "python"),
        ("f(function () {|});", "auto", "block", "javascript"),
        # a comment, a string, a docstring: what looks like an opener is none
        ("# for example:|", "auto", "line", "python"),
        ("/* for example {|", "auto", "line", "c"),
        ("x = 'for example:|", "auto", "line", "python"),
        ('def f():\n    """Say:|', "auto", "line", "python"),
        ('def f():\n    """Say.\n    |', "auto", "line", "python"),
        ("Say:\n|", "auto", "line", "markdown"),
        # as the user says
        ("f(|, 1)", "always", "line", "python"),
        ("x = |", "always", "block", "python"),
        ("def f():|", "never", "line", "python"),
    ],
)
def test_extent(source: str, multiline: Multiline, wanted: Extent, language: str) -> None:
    assert extent(cursor(source, language), multiline) == wanted


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ("x = 1|", "block"),
        ("f(|", "block"),
        ('"""Say:|', "block"),
        ("def f():|\n    return 1", "line"),
        ("x = | + 1", "line"),
    ],
)
def test_extent_by_hand(source: str, wanted: Extent) -> None:
    assert extent(cursor(source), "auto", invoked=True) == wanted
