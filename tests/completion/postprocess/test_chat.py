"""The filter of chatter around code: a table of cases."""

from __future__ import annotations

import pytest

from aix_lsp.completion.postprocess.markers import chat
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
