"""The Emacs package in a real Emacs in a terminal, against the real server and the embedded model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.editors.emacs import (
    BRACKET,
    EGLOT,
    OWN,
    SOURCE,
    Emacs,
    assert_fast_typing_inserts_nothing,
    assert_no_doubled_bracket,
    assert_streams,
)
from tests.slow_engine import GROWING


@pytest.fixture(params=[OWN, EGLOT], ids=["own connection", "eglot"])
def editor(request: pytest.FixtureRequest, tmp_path: Path, engine_home: Path) -> Iterator[Emacs]:
    editor = Emacs(tmp_path, engine_home, request.param)
    yield editor
    editor.close()


def test_ghost_text_typing_along_and_accept(editor: Emacs) -> None:
    editor.type(" ")
    shown = editor.settled_line("    return ")
    ghost = shown.removeprefix("    return ")
    editor.type(ghost[0])
    editor.wait(lambda: editor.line("    return ").startswith(shown), "the same text after typing along")
    editor.keys("Tab")
    text = editor.text()
    assert text.startswith(SOURCE + " " + ghost), text
    assert text.count("return") == 2 and text.endswith("\n")


def test_word_by_word(editor: Emacs) -> None:
    editor.type(" ")
    shown = editor.settled_line("    return ")
    editor.keys("M-f")
    word = editor.text().rstrip("\n").removeprefix(SOURCE + " ")
    assert word and shown.removeprefix("    return ").startswith(word), (shown, word)


def test_fast_typing_inserts_nothing(editor: Emacs) -> None:
    assert_fast_typing_inserts_nothing(editor)


def test_streaming(editor: Emacs, engine_home: Path) -> None:
    """The first words at once, then more: the shown text only grows; the last update may remove its tail."""
    assert_streams(editor, engine_home)


def test_dismiss_suggest_and_line(editor: Emacs) -> None:
    editor.type(" ")
    editor.settled_line("    return ")
    editor.keys("C-g")
    editor.wait(lambda: editor.line("    return ") == "", "no ghost text")
    assert editor.text() == SOURCE + " \n"
    editor.keys("M-x")
    editor.type("aix-lsp-suggest\n")
    ghost = editor.settled_line("    return ").removeprefix("    return ")
    editor.keys("C-e")
    assert editor.text() == SOURCE + " " + ghost + "\n"


def test_other_candidates(editor: Emacs) -> None:
    """At a position where the model has more than one candidate, which is not every position."""
    for text in GROWING:
        editor.take(text)
        editor.keys("M-x")
        editor.type("aix-lsp-suggest\n")
        editor.settled_line(text.split("\n")[-1])
        first = editor.shown()[-1]
        editor.keys("M-n")
        second = editor.shown()[-1]
        if second != first:
            break
    else:
        pytest.fail("the model gave a single candidate everywhere")
    editor.keys("M-p")
    assert editor.shown()[-1] == first
    editor.keys("M-n", "Tab")
    assert editor.text().rstrip("\n") == (text + second).rstrip("\n")


@pytest.mark.parametrize("more", [OWN, EGLOT], ids=["own connection", "eglot"])
def test_no_doubled_bracket(more: str, tmp_path: Path, engine_home: Path) -> None:
    editor = Emacs(tmp_path, engine_home, more + "(electric-pair-mode 1)", BRACKET)
    try:
        assert_no_doubled_bracket(editor)
    finally:
        editor.close()


def test_completion_at_point_over_eglot(tmp_path: Path, engine_home: Path) -> None:
    """Eglot's own entries: a single one is inserted at once; several are listed, and the first is chosen."""
    more = EGLOT.replace("(aix-lsp-mode)", "") + "(setq completion-auto-select t)"
    editor = Emacs(tmp_path, engine_home, more)
    try:
        editor.type(" ")
        editor.keys("C-M-i")
        editor.wait(
            lambda: editor.settled_line("    return ") or "*Completions*" in editor.screen(), "an entry"
        )
        if "*Completions*" in editor.screen():
            editor.keys("Enter")
        text = editor.text()
        assert text.startswith(SOURCE + " ") and len(text.strip()) > len(SOURCE) + 1, text
    finally:
        editor.close()
