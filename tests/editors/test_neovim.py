"""Neovim with the few lines of documented configuration and no plugin: the popup and the native ghost text."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.editors.neovim import Neovim, find

HEAD = """\
class Ledger:
    def __init__(self, name):
        self.name = name
        self.accounts = {}

    def account(self, name):
        if name not in self.accounts:
            raise KeyError(f"there is no account {name}")
        return self.accounts[name]

    def close_account(self, name):
        if name not in self."""

TAIL = "\n\n    def __len__(self):\n        return len(self.accounts)\n"

GHOSTS = """
local namespace = vim.api.nvim_create_namespace('nvim.lsp.inline_completion')
local found = {}
for _, mark in ipairs(vim.api.nvim_buf_get_extmarks(0, namespace, 0, -1, { details = true })) do
  local lines = {}
  local first = {}
  for _, chunk in ipairs(mark[4].virt_text or {}) do first[#first + 1] = chunk[1] end
  lines[1] = table.concat(first)
  for _, line in ipairs(mark[4].virt_lines or {}) do
    local cells = {}
    for _, chunk in ipairs(line) do cells[#cells + 1] = chunk[1] end
    lines[#lines + 1] = table.concat(cells)
  end
  found[#found + 1] = table.concat(lines, '\\n')
end
return found
"""

ANSWERS = """
answered = -1
local client = vim.lsp.get_clients({ name = 'aix' })[1]
local request = client.request
client.request = function(self, method, params, handler, bufnr)
  return request(self, method, params, handler and function(...)
    handler(...)
    answered = params.position and params.position.character or answered
  end, bufnr)
end
"""
"""Records the column that the latest answer is for."""

CHOSEN = """
local info = vim.fn.complete_info({ 'items', 'selected' })
local item = info.items[info.selected + 1]
return vim.tbl_get(item or {}, 'user_data', 'nvim', 'lsp', 'completion_item')
"""


def start(executable: str | None, version: str, home: Path, engine_home: Path) -> Neovim:
    if executable is None:
        pytest.skip(f"no Neovim {version} here: run tests/editors/fetch_debian.sh, or set AIX_LSP_NVIM")
    return Neovim(executable, home, engine_home)


@pytest.fixture
def popup(tmp_path: Path, engine_home: Path) -> Iterator[Neovim]:
    """Neovim 0.11 with its built-in completion."""
    editor = start(find((0, 11), (0, 12)), "0.11", tmp_path, engine_home)
    editor.lua(
        """
        vim.o.completeopt = 'menu,menuone,noinsert'
        vim.api.nvim_create_autocmd('LspAttach', { callback = function(event)
          vim.lsp.completion.enable(true, event.data.client_id, event.buf, { autotrigger = true })
        end })
        """
    )
    yield editor
    editor.close()


@pytest.fixture
def ghost(tmp_path: Path, engine_home: Path) -> Iterator[Neovim]:
    """Neovim 0.12 with its native ghost text."""
    editor = start(find((0, 12)), "0.12", tmp_path, engine_home)
    editor.lua("vim.lsp.inline_completion.enable(true)")
    editor.lua(
        "vim.keymap.set('i', '<Tab>', function() "
        "if not vim.lsp.inline_completion.get() then return '<Tab>' end end, { expr = true })"
    )
    yield editor
    editor.close()


def type_at_the_place(editor: Neovim, text: str) -> None:
    """Put the cursor where HEAD ends, and type."""
    line = HEAD.count("\n") + 1
    editor.cursor(line, len(HEAD) - HEAD.rfind("\n") - 2)
    editor.keys("a" + text)


def test_the_popup_offers_the_suggestion_and_inserts_it(popup: Neovim) -> None:
    popup.open("ledger.py", HEAD + TAIL)
    popup.wait(popup.engine_ready, "a loaded model", 110)
    type_at_the_place(popup, "ac")
    popup.keys("<C-x><C-o>")
    popup.wait(lambda: popup.api.funcs.pumvisible(), "popup")
    item = popup.wait(lambda: popup.lua(CHOSEN), "a selected item of the server's")
    text = item["textEdit"]["newText"]
    assert text.startswith("ac") and item["label"].startswith("ac")
    assert any(item["label"].split()[0].rstrip("…") in row for row in popup.screen())
    popup.keys("<C-y>")
    popup.wait(lambda: not popup.api.funcs.pumvisible(), "closing of the popup")
    popup.wait(
        lambda: popup.buffer() == (HEAD + text + TAIL).removesuffix("\n"), "the suggestion in the buffer"
    )


def test_native_ghost_text_is_shown_and_accepted_exactly(ghost: Neovim) -> None:
    path = ghost.open("ledger.py", HEAD + TAIL)
    ghost.wait(ghost.engine_ready, "a loaded model", 110)
    type_at_the_place(ghost, "a")
    [text] = ghost.wait(lambda: ghost.lua(GHOSTS), "ghost text")
    first = text.split("\n")[0]
    assert first
    assert any(f"not in self.a{first}" in row for row in ghost.screen()), ghost.screen()
    assert ghost.buffer() == (HEAD + "a" + TAIL).removesuffix("\n"), "ghost text is not in the buffer"
    ghost.keys("<Tab>")
    wanted = HEAD + "a" + text + TAIL
    ghost.wait(lambda: ghost.buffer() == wanted.removesuffix("\n"), "exactly the ghost text in the buffer")
    ghost.keys("<Esc>:write<CR>")
    ghost.wait(lambda: path.read_text() == wanted, "the file on disk")


def test_native_ghost_text_follows_fast_typing(ghost: Neovim) -> None:
    """Neovim never cancels: whatever is shown at the end must fit what was typed."""
    ghost.open("ledger.py", HEAD + TAIL)
    ghost.wait(ghost.engine_ready, "a loaded model", 110)
    ghost.lua(ANSWERS)
    type_at_the_place(ghost, "acc")
    ghost.keys("ou")
    here = len(HEAD.split("\n")[-1]) + len("accou")
    [text] = ghost.wait(
        lambda: ghost.lua("return answered") == here and ghost.lua(GHOSTS),
        "ghost text for where the cursor is",
    )
    ghost.keys("<Tab>")
    ghost.wait(
        lambda: ghost.buffer() == (HEAD + "accou" + text + TAIL).removesuffix("\n"), "the accepted text"
    )
