"""A server's errors in the editors: shown once, however often they recur, and cleared afterwards."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.editors.neovim import ROOT
from tests.editors.neovim_plugin import executable

TROUBLE = "http://box failed (500). CUDA out of memory"
NEOVIM = """
local said = {}
require('aix_lsp.say').line = function(text) table.insert(said, text) end
local status = require('aix_lsp.status')
local lines = {}
for turn = 1, 2 do
  for _, state in ipairs({ 'ready', 'error', 'waiting', 'ready' }) do
    if state == 'error' and turn == 1 then
      status.on_message(nil, { type = 1, message = 'aix-lsp: ' .. vim.g.trouble })
    end
    status.on_status(nil, { state = state, message = state == 'error' and vim.g.trouble or '' }, { client_id = 1 })
    table.insert(lines, status.statusline())
  end
end
io.write(vim.json.encode({ said, lines }))
"""
EMACS = """
(let (said lighters)
  (cl-letf (((symbol-function 'message) (lambda (format &rest args) (push (apply #'format format args) said))))
    (dotimes (_ 2)
      (dolist (state '("ready" "error" "waiting" "ready"))
        (aix-lsp-client-on-status (list :state state :message (if (equal state "error") trouble "")))
        (push (aix-lsp--lighter) lighters))))
  (princ (json-encode (vector (vconcat (reverse said)) (vconcat (reverse lighters))))))
"""


def test_neovim(tmp_path: Path) -> None:
    script = tmp_path / "status.lua"
    script.write_text(NEOVIM, "utf-8")
    done = subprocess.run(
        [executable("0.11"), "--headless", "-u", "NONE", "--cmd", f"set rtp+={ROOT}/editors/neovim",
         "--cmd", f"let g:trouble = {json.dumps(TROUBLE)}", "-l", script],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    said, lines = json.loads(done.stdout)
    assert said == [TROUBLE]
    assert lines == ["aix ready", "aix error", "aix waiting", "aix ready"] * 2


def test_emacs(tmp_path: Path) -> None:
    emacs = shutil.which("emacs")
    if emacs is None:
        pytest.skip("no emacs on the PATH")
    done = subprocess.run(
        [emacs, "--batch", "-L", ROOT / "editors" / "emacs", "-l", "cl-lib", "-l", "json", "-l", "aix-lsp",
         "--eval", f"(setq trouble {json.dumps(TROUBLE)})", "--eval", EMACS],
        capture_output=True, text=True, check=True, timeout=60, cwd=tmp_path,
    )  # fmt: skip
    said, lighters = json.loads(done.stdout)
    assert said == [f"aix-lsp: {TROUBLE}"]
    assert lighters == [" aix", " aix:error", " aix:waiting", " aix"] * 2
