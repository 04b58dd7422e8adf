"""The Neovim plugin over Neovim 0.12's own ghost text, against the real server and the embedded model."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.editors.neovim_plugin import SOURCE, PluginNeovim, executable, start
from tests.editors.test_neovim_plugin import POINT, UNSURE


@pytest.fixture(scope="module")
def native(tmp_path_factory: pytest.TempPathFactory, engine_home: Path) -> Iterator[PluginNeovim]:
    editor = PluginNeovim(executable("0.12"), tmp_path_factory.mktemp("nvim12"), engine_home)
    yield editor
    editor.close()


def candidate(native: PluginNeovim) -> tuple[str, str]:
    """The ghost text, and the counter that Neovim shows after it, such as "2/3"."""
    found = re.fullmatch(r"(.*?)(?: \((\d+/\d+)\))?", native.ghost(), re.DOTALL)
    assert found
    return found[1], found[2] or ""


_ANSWERS = """
local client = vim.lsp.get_clients({ name = 'aix_lsp', bufnr = 0 })[1]
answered = {}
if not noted then
  noted = client.request
  client.request = function(self, method, params, handler, bufnr)
    return noted(self, method, params, method == 'textDocument/inlineCompletion' and function(...)
      handler(...)
      answered = { kind = params.context.triggerKind, line = params.position.line, char = params.position.character }
    end or handler, bufnr)
  end
end
"""
"""Records what the latest answer is for. Runs after the plugin's own hook, which marks explicit requests."""


def typed_and_answered(native: PluginNeovim, text: str) -> str:
    """Type `text`, the last key separately; the ghost text once the answer has arrived, empty if that is empty."""
    native.insert_at_end()
    native.lua(_ANSWERS)
    native.keys(text[-1])
    native.wait(lambda: native.buffer() == text, "the typed text")
    here = "return { vim.fn.line('.') - 1, vim.fn.col('.') - 1 }"
    native.wait(
        lambda: native.lua("return { answered.line, answered.char }") == native.lua(here), "the answer"
    )
    return native.ghost()


def count(native: PluginNeovim) -> int:
    """How many candidates Neovim has."""
    return int(native.lua("return require('aix_lsp.native').count(0)"))


def test_native_ghost_text(native: PluginNeovim) -> None:
    path = start(native, "native.py")
    native.insert_at_end(" ")
    ghost = native.wait(native.ghost, "ghost text")
    native.keys("<Tab>")
    native.wait(lambda: native.buffer() == SOURCE + " " + ghost, f"accepted text {ghost!r}")
    native.keys("<Esc>:write<CR>")
    native.wait(lambda: path.read_text() == SOURCE + " " + ghost + "\n", "saved file")


def test_native_word(native: PluginNeovim) -> None:
    start(native, "native_word.py", POINT)
    native.insert_at_end()
    native.keys("<CR>")
    ghost = native.wait(native.ghost, "ghost text")
    before = native.buffer()
    native.keys("<M-w>")
    native.wait(lambda: native.buffer() != before, "accepted word")
    word = native.buffer().removeprefix(before)
    assert ghost.startswith(word) and len(word.split()) == 1, (word, ghost)


def test_native_dismiss(native: PluginNeovim) -> None:
    start(native, "native_dismiss.py")
    native.insert_at_end(" ")
    native.wait(native.ghost, "ghost text")
    native.keys("<C-]>")
    native.wait(lambda: native.ghost() == "", "no ghost text")
    assert native.buffer() == SOURCE + " "


def test_native_line(native: PluginNeovim) -> None:
    start(native, "native_line.py", POINT)
    native.insert_at_end()
    native.keys("<CR>")
    ghost = native.wait(native.ghost, "ghost text")
    before = native.buffer()
    native.keys("<M-e>")
    line = ghost.lstrip("\n").split("\n")[0]
    native.wait(lambda: native.buffer() != before, "accepted line")
    assert native.buffer().removeprefix(before).strip() == line.strip()


def test_native_explicit_request_and_other_candidates(native: PluginNeovim) -> None:
    """Automatic requests return one candidate. Explicit ones have several only at some positions."""
    for number, text in enumerate(UNSURE):
        start(native, f"native_by_hand{number}.py", text[:-1])
        if not typed_and_answered(native, text):
            continue
        assert count(native) == 1
        native.keys("<C-]>")
        native.wait(lambda: native.ghost() == "", "no ghost text")
        native.keys("<M-Bslash>")
        native.wait(native.ghost, "ghost text, asked for by hand")
        if count(native) > 1:
            break
    else:
        pytest.fail("the model gave a single candidate everywhere")
    first, _ = candidate(native)
    native.keys("<M-]>")
    second, _ = native.wait(
        lambda: candidate(native)[1].startswith("2/") and candidate(native), "the second candidate"
    )
    assert second != first
    native.keys("<M-[>")
    native.wait(lambda: candidate(native)[0] == first, "the first candidate")
    native.keys("<M-]><Tab>")
    native.wait(lambda: native.buffer() == text + second, f"the second candidate {second!r}, taken")


def test_native_next_asks_for_more(native: PluginNeovim) -> None:
    for number, text in enumerate(UNSURE):
        start(native, f"native_next{number}.py", text[:-1])
        if not typed_and_answered(native, text):
            continue
        native.keys("<M-]>")
        native.wait(lambda: native.lua("return answered.kind") == 1, "the answer to what is asked by hand")
        if count(native) > 1:
            break
    else:
        pytest.fail("the model gave a single candidate everywhere")
    native.wait(lambda: candidate(native)[1].startswith("2/"), "the second candidate")


def test_native_tab_in_a_burst_accepts_the_shown_text(native: PluginNeovim) -> None:
    """Until the next answer, Neovim's item is for the position before the last key: it must fit after that key too."""
    start(native, "native_burst.py")
    native.insert_at_end(" ")
    ghost = native.wait(native.ghost, "ghost text")
    native.keys(ghost[:1] + "<Tab>")
    native.wait(lambda: native.buffer() != SOURCE + " " + ghost[:1], "accepted text")
    assert native.buffer().startswith(SOURCE + " " + ghost), native.buffer()


def test_native_stale_item_is_not_inserted(native: PluginNeovim) -> None:
    start(native, "native_stale.py")
    native.insert_at_end(" ")
    ghost = native.wait(native.ghost, "ghost text")
    other = "y" if ghost.startswith("z") else "z"
    native.keys(other + "<Tab>")
    native.keys("  # end")
    native.wait(lambda: native.buffer().endswith("# end"), "typed comment")
    taken = native.buffer().removeprefix(SOURCE + " " + other).removesuffix("  # end")
    assert ghost not in taken, native.buffer()


def test_native_no_doubled_bracket(native: PluginNeovim) -> None:
    start(native, "native_bracket.py", "values = [1, 2, 3]\nfor value in values:\n    print(")
    native.insert_at_end(")")
    native.keys("<Left>")
    native.wait(native.ghost, "ghost text")
    before = native.buffer()
    native.keys("<Tab>")
    native.wait(lambda: native.buffer() != before, "accepted text")
    text = native.buffer()
    assert text.count("(") == text.count(")"), text
