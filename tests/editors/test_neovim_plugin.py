"""The Neovim plugin in a real Neovim, against the real server and the embedded model."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.editors.neovim_plugin import SOURCE, VERSIONS, PluginNeovim, executable, start
from tests.slow_engine import GROWING, slowed_engine

POINT = "class Point:\n    def __init__(self, x, y):\n        self.x = x"
"""After this, the embedded model writes a short line and ends it."""
UNSURE = (SOURCE + " ", "import ", 'def area(width, height):\n    """', "class ", "# ")


WITH_POPUP = pytest.mark.parametrize("own", ["0.11", "0.12"], indirect=True)
"""Neovim 0.10 has its own rules for its popup: our entries appear there from 0.11 on."""


@pytest.fixture(scope="module", params=VERSIONS)
def own(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, engine_home: Path
) -> Iterator[PluginNeovim]:
    """An editor with the plugin's own, streaming ghost text."""
    home = tmp_path_factory.mktemp("nvim")
    editor = PluginNeovim(executable(request.param), home, engine_home, "{ ghost = 'own' }")
    yield editor
    editor.close()


def test_accept(own: PluginNeovim) -> None:
    path = start(own, "accept.py")
    own.insert_at_end(" ")
    ghost = own.settled_ghost()
    assert any(ghost.split("\n")[0] in row for row in own.screen())
    own.keys("<Tab>")
    own.wait(lambda: own.buffer() == SOURCE + " " + ghost, "accepted text")
    own.keys("<Esc>:write<CR>")
    own.wait(lambda: path.read_text() == SOURCE + " " + ghost + "\n", "saved file")


def test_streaming(own: PluginNeovim, engine_home: Path) -> None:
    longest: list[str] = []
    start(own, "engine.py")  # which starts the engine
    with slowed_engine(engine_home):
        for number, text in enumerate(GROWING):
            start(own, f"streaming{number}.py", text.rstrip())
            own.insert_at_end()
            own.lua("shown_texts = {}")
            own.keys("<CR>")
            own.settled_ghost()
            # A text for the line above may still be shown, with the break and the indentation that the key then makes.
            texts = list(dict.fromkeys(text.lstrip() for text in own.lua("return shown_texts")))
            grown = texts[:-1] if len(texts) > 1 and texts[-2].startswith(texts[-1]) else texts
            assert all(later.startswith(earlier) for earlier, later in itertools.pairwise(grown)), texts
            longest = max(longest, grown, key=len)
    assert len(longest) > 1, f"no text came in pieces: {longest}"


def test_typing_along_keeps_the_text(own: PluginNeovim) -> None:
    start(own, "along.py")
    own.insert_at_end(" ")
    ghost = own.settled_ghost()
    own.lua("shown_texts = {}")
    own.keys(ghost[0])
    own.wait(lambda: own.buffer() == SOURCE + " " + ghost[0], "typed character")
    assert own.settled_ghost().startswith(ghost[1:])
    assert all(text.startswith(ghost[1:]) for text in own.lua("return shown_texts"))


def test_pieces(own: PluginNeovim) -> None:
    start(own, "pieces.py", POINT)
    own.insert_at_end()
    own.keys("<CR>")
    ghost = own.settled_ghost()
    before = own.buffer()
    own.keys("<M-w>")
    own.wait(lambda: own.buffer() != before, "accepted word")
    word = own.buffer().removeprefix(before)
    assert ghost.startswith(word) and len(word.split()) == 1
    if word != ghost:
        own.settled_ghost()
        own.keys("<M-e>")
        line = ghost.lstrip("\n").split("\n")[0]
        own.wait(lambda: own.buffer().startswith(before + line), "accepted line")


def test_dismiss(own: PluginNeovim) -> None:
    start(own, "dismiss.py")
    own.insert_at_end(" ")
    own.settled_ghost()
    own.keys("<C-]>")
    own.wait(lambda: own.ghost() == "", "no ghost text")
    own.keys("<Tab>")
    own.wait(lambda: own.buffer() != SOURCE + " ", "a tab, as without the plugin")
    assert own.buffer().strip() == SOURCE


def test_explicit_request(own: PluginNeovim) -> None:
    start(own, "by_hand.py")
    own.insert_at_end(" ")
    own.settled_ghost()
    own.keys("<C-]>")
    own.wait(lambda: own.ghost() == "", "no ghost text")
    own.keys("<M-Bslash>")
    ghost = own.settled_ghost()
    own.keys("<Tab>")
    own.wait(lambda: own.buffer() == SOURCE + " " + ghost, "accepted text")


def test_other_candidates(own: PluginNeovim) -> None:
    """At a position where the model has more than one candidate, which is not every position."""
    texts = "return vim.tbl_map(function(item) return item.text end, require('aix_lsp.ghost').of().items)"
    for number, text in enumerate(UNSURE):
        start(own, f"candidates{number}.py", text[:-1])
        own.insert_at_end(text[-1])
        if not own.answered_ghost(text):
            continue
        own.keys("<M-]>")
        own.answered_ghost(text)
        if len(own.lua(texts)) > 1:
            break
    else:
        pytest.fail("the model gave a single candidate everywhere")
    own.wait(lambda: own.ghost() == own.lua(texts)[1], f"the second of {own.lua(texts)}")
    own.keys("<M-[>")
    own.wait(lambda: own.ghost() == own.lua(texts)[0], "the first candidate")


def test_no_doubled_bracket(own: PluginNeovim) -> None:
    start(own, "bracket.py", "values = [1, 2, 3]\nfor value in values:\n    print(")
    own.insert_at_end(")")
    own.keys("<Left>")
    own.settled_ghost()
    own.keys("<Tab>")
    own.wait(lambda: own.ghost() == "" or own.buffer().count("(") > 1, "accepted text")
    text = own.buffer()
    assert text.count("(") == text.count(")"), text


def test_fast_typing_inserts_nothing_stale(own: PluginNeovim) -> None:
    start(own, "fast.py", "")
    text = SOURCE + " "
    own.api.command("setlocal indentexpr= noautoindent")
    own.insert_at_end()
    for char in text:
        own.keys("<CR>" if char == "\n" else char)
    own.wait(lambda: own.buffer() == text, f"the typed text, not {own.buffer()!r}")
    own.settled_ghost()
    assert own.buffer() == text


def test_tab_in_a_burst_accepts_the_shown_text(own: PluginNeovim) -> None:
    start(own, "burst.py")
    own.insert_at_end(" ")
    ghost = own.settled_ghost()
    own.keys(ghost[:1] + "<Tab>" + "  # end")
    own.wait(lambda: own.buffer().endswith("# end"), "typed comment")
    taken = own.buffer().removeprefix(SOURCE + " ").removesuffix("  # end")
    assert taken.startswith(ghost), (taken, ghost)


@WITH_POPUP
def test_popup(own: PluginNeovim) -> None:
    start(own, "popup.py")
    own.api.command("set completeopt=menuone,noselect")
    own.insert_at_end(" ")
    own.settled_ghost()
    own.keys("<C-x><C-o>")
    own.wait(lambda: own.lua("return vim.fn.pumvisible() == 1"), "popup")
    own.wait(lambda: own.ghost() == "", "no ghost text beside the popup")
    item = own.lua(
        "return vim.tbl_get(vim.fn.complete_info({ 'items' }).items[1], 'user_data', 'nvim', 'lsp', 'completion_item')"
    )
    own.keys("<C-n><C-y>")
    line = item["textEdit"]["newText"].split("\n")[0]
    own.wait(
        lambda: own.buffer().startswith(SOURCE + " " + line), f"the whole line {line!r}, not its first word"
    )


@WITH_POPUP
def test_popup_doubles_no_bracket(own: PluginNeovim) -> None:
    start(own, "popup_bracket.py", "values = [1, 2, 3]\nfor value in values:\n    print()")
    own.api.command("set completeopt=menuone,noselect")
    own.keys("<Esc>G$i")
    own.settled_ghost()
    own.keys("<C-x><C-o>")
    own.wait(lambda: own.lua("return vim.fn.pumvisible() == 1"), "popup")
    before = own.buffer()
    own.keys("<C-n><C-y>")
    own.wait(lambda: len(own.buffer()) > len(before), "accepted item")
    text = own.buffer()
    assert text.startswith(before.removesuffix(")")) and text.count("(") == text.count(")"), text
