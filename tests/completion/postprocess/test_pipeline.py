"""The filters' guarantees about a stream (nothing shown is taken back, "stop" means stop), and the count of errors."""

from __future__ import annotations

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from aix_lsp.completion.cursor import CursorContext
from aix_lsp.completion.postprocess.duplicates import repetition
from aix_lsp.completion.postprocess.pipeline import apply, syntax_errors
from tests.completion.postprocess.cursors import cursor as cursor_at

snippets = st.sampled_from(
    [
        "x = 1",
        "return x",
        "if a:",
        "else:",
        "}",
        ")",
        "\n",
        "\n    ",
        "\n        ",
        "\n\n",
        " ",
        "foo(a, b)",
        "<|fim_",
        "middle|>",
        "<",
        "é",
        "😀",
        "\r\n",
        "for i in range(10):",
        "pass",
        "```",
        "`",
        "Here is ",
        "Sure",
        "\t",
        "# note",
        '"',
        "(",
        "{",
        "abc" * 5,
    ]
)
code = st.lists(snippets, max_size=12).map("".join)
before = code.map(lambda text: text.replace("\r", ""))
language = st.sampled_from(["python", "c", "ruby", ""])
cursors = st.builds(CursorContext, st.just("file:///a"), language, before, before)


@settings(max_examples=200)
@given(cursors, st.lists(snippets, max_size=14), st.booleans())
def test_shown_text_is_never_taken_back(cursor: CursorContext, parts: list[str], multiline: bool) -> None:
    text = "".join(parts)
    assume(not repetition(text, cursor, True).stop)
    whole = apply(text, cursor, multiline, True)
    so_far = shown = ""
    for part in parts:
        so_far += part
        cut = apply(so_far, cursor, multiline, False)
        assert cut.text.startswith(shown), (so_far, shown, cut)
        shown = cut.text
        if cut.stop:
            assert cut.text == whole.text
            return
    assert whole.text.startswith(shown), (text, shown, whole)


@settings(max_examples=150)
@given(cursors, code, st.booleans())
@example(CursorContext("file:///a", "python", "return x", ""), "```\nreturn xx = 1", True)
def test_shown_text_is_a_contiguous_part_of_the_output(
    cursor: CursorContext, text: str, multiline: bool
) -> None:
    shown = apply(text, cursor, multiline, True).text
    written = text.replace("\r\n", "\n")
    # At the start, only a fence and the indentation or text already on the line may be missing.
    fenced = (f"\n{shown}", f"\n{cursor.line_before}{shown}", f"\n{cursor.line_before.lstrip()}{shown}")
    assert (
        written.startswith(shown)
        or written.lstrip(" \t").startswith(shown)
        or any(f in written for f in fenced)
    )
    assert shown == "" or shown.strip()


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
def test_a_text_that_parses_has_fewer_errors(source: str, good: str, bad: str, language: str) -> None:
    here = cursor_at(source, language)
    assert syntax_errors(good, 0, here) < syntax_errors(bad, 0, here)


def test_errors_in_replaced_text_do_not_count() -> None:
    here = cursor_at("f(|)\n", "python")
    assert syntax_errors("a)", 1, here) == 0 < syntax_errors("a)", 0, here)


def test_languages_without_a_grammar_have_no_errors() -> None:
    assert syntax_errors("))", 0, cursor_at("x = |", "klingon")) == 0
