"""A real Neovim with the plugin of editors/neovim. Asserts nothing."""

from __future__ import annotations

from pathlib import Path

from tests.editors.neovim import Neovim

_CONFIG = """
local home, python = ...
vim.opt.runtimepath:prepend(vim.env.AIX_TEST_ROOT .. '/editors/neovim')
vim.cmd.runtime('plugin/aix_lsp.lua')
require('aix_lsp').setup(vim.tbl_extend('force', {
  cmd = { python, '-m', 'aix_lsp', '--stdio' },
  env = { AIX_LSP_HOME = home, PYTHONPATH = vim.env.AIX_TEST_ROOT },
  -- What is tested is what comes, not how soon, on however busy a machine, nor how sure the model is.
  settings = { deadlineMs = 15000, confidence = 0 },
}, OPTIONS))
-- Every text that the plugin draws, in order.
shown_texts = {}
local render = require('aix_lsp.render')
local show = render.show
render.show = function(bufnr, row, col, text, ...)
  table.insert(shown_texts, text)
  return show(bufnr, row, col, text, ...)
end
"""

_GHOST = """
local found = {}
for _, name in ipairs({ 'aix_lsp.ghost', 'nvim.lsp.inline_completion' }) do
  local namespace = vim.api.nvim_create_namespace(name)
  for _, mark in ipairs(vim.api.nvim_buf_get_extmarks(0, namespace, 0, -1, { details = true })) do
    for _, chunk in ipairs(mark[4].virt_text or {}) do
      table.insert(found, chunk[1])
    end
    for _, line in ipairs(mark[4].virt_lines or {}) do
      local text = '\\n'
      for _, chunk in ipairs(line) do
        text = text .. chunk[1]
      end
      table.insert(found, text)
    end
  end
end
return table.concat(found)
"""


class PluginNeovim(Neovim):
    """One editor with the plugin, set up with the Lua table `options`."""

    def __init__(self, executable: str, home: Path, engine_home: Path, options: str = "{}") -> None:
        super().__init__(executable, home, engine_home, _CONFIG.replace("OPTIONS", options))

    def open(self, name: str, text: str) -> Path:
        path = self.home / name
        path.write_text(text, encoding="utf-8")
        self.api.command(f"edit {path}")
        self.wait(self.attached, "server attached")
        return path

    def attached(self) -> bool:
        return bool(
            self.lua(
                "local c = vim.lsp.get_clients({ name = 'aix_lsp', bufnr = 0 })[1]"
                "return c ~= nil and c.initialized == true"
            )
        )

    def ready(self) -> bool:
        """The server has said that its model is loaded."""
        return bool(self.lua("return require('aix_lsp.status').current.state == 'ready'"))

    def ghost(self) -> str:
        """The ghost text that stands in the buffer now."""
        return str(self.lua(_GHOST))

    def settled_ghost(self) -> str:
        """The ghost text once no request is running."""
        self.wait(self.ghost, "ghost text")
        self.wait(
            lambda: not self.lua("local g = require('aix_lsp.ghost').of() return g and g.cancel ~= nil"),
            "answer",
        )
        return self.ghost()

    def insert_at_end(self, text: str = "") -> None:
        """Go into insert mode behind the last character, and type."""
        self.keys("<Esc>G$a")
        self.wait(lambda: self.api.api.get_mode()["mode"] == "i", "insert mode")
        for char in text:
            self.keys("<lt>" if char == "<" else char)
