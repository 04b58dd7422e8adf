"""What every filter promises of a stream: nothing shown is taken back, and "stop" means stop."""

from __future__ import annotations

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from aix_lsp.completion.cursor import CursorContext
from aix_lsp.completion.postprocess.duplicates import repetition
from aix_lsp.completion.postprocess.pipeline import apply

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
def test_what_is_shown_is_never_taken_back(cursor: CursorContext, parts: list[str], multiline: bool) -> None:
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
def test_what_is_shown_was_written_there_in_one_piece(
    cursor: CursorContext, text: str, multiline: bool
) -> None:
    shown = apply(text, cursor, multiline, True).text
    written = text.replace("\r\n", "\n")
    # Only a fence, and the indentation or the line that stands there already, may be missing in front.
    assert written.startswith(shown) or written.lstrip(" \t").startswith(shown) or f"\n{shown}" in written
    assert shown == "" or shown.strip()
