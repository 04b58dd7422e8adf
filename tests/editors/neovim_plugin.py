"""Drives a real Neovim with the plugin in editors/neovim. Asserts nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.editors.neovim import Neovim, find

VERSIONS = [pytest.param("0.10", marks=pytest.mark.slow_editor), "0.11", "0.12"]
SOURCE = "def add(a, b):\n    return a + b\n\n\ndef subtract(a, b):\n    return"

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
    """One editor with the plugin, set up with the Lua table `options`, or by `config` instead."""

    def __init__(
        self, executable: str, home: Path, engine_home: Path, options: str = "{}", *, config: str = ""
    ) -> None:
        super().__init__(executable, home, engine_home, config or _CONFIG.replace("OPTIONS", options))

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
        """Whether the server has reported that its model is loaded."""
        return bool(self.lua("return require('aix_lsp.status').current.state == 'ready'"))

    def ghost(self) -> str:
        """The ghost text shown in the buffer now."""
        return str(self.lua(_GHOST))

    def settled_ghost(self) -> str:
        """The ghost text once no request is running."""
        self.wait(self.ghost, "ghost text")
        self.wait(
            lambda: not self.lua("local g = require('aix_lsp.ghost').of() return g and g.cancel ~= nil"),
            "answer",
        )
        return self.ghost()

    def answered_ghost(self, text: str) -> str:
        """The ghost text once `text` is in the buffer and its answer has arrived; empty if that is empty."""
        self.wait(lambda: self.buffer() == text, "the typed text")
        self.wait(
            lambda: self.lua(
                "local g, here = require('aix_lsp.ghost').of(), require('aix_lsp.place').here()"
                "return g and g.asked and g.asked.tick == here.tick and g.cancel == nil"
            ),
            "the answer",
        )
        return self.ghost()

    def insert_at_end(self, text: str = "") -> None:
        """Enter insert mode after the last character, and type."""
        self.keys("<Esc>G$a")
        self.wait(lambda: self.api.api.get_mode()["mode"] == "i", "insert mode")
        for char in text:
            self.keys("<lt>" if char == "<" else char)


def executable(kind: str) -> str:
    """A Neovim of this version (0.12 includes newer ones). Skips the test if there is none."""
    wanted = {"0.10": ((0, 10), (0, 11)), "0.11": ((0, 11), (0, 12)), "0.12": ((0, 12), (99, 0))}[kind]
    found = find(*wanted)
    if not found:
        pytest.skip(f"no Neovim {kind} here: run tests/editors/fetch_debian.sh all, or set AIX_LSP_NVIM")
    return found


def start(editor: PluginNeovim, name: str, text: str = SOURCE) -> Path:
    """Open a new file, and wait until the model is loaded."""
    editor.keys("<Esc>")
    path = editor.open(name, text + "\n")
    editor.wait(editor.ready, "loaded model", 110)
    return path
