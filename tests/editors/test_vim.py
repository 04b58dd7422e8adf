"""Vim with ALE, the plugin of editors/vim, the real server and the embedded model: the popup."""

from __future__ import annotations

import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.editors import terminal
from tests.editors.terminal import ROOT, Terminal

SOURCE = "def add(a, b):\n    return a + b\n\n\ndef subtract(a, b):\n    return"
ALE = next(
    (
        path
        for path in map(Path, ("/usr/share/vim-ale", "/usr/share/vim/vimfiles/pack/dist-bundle/opt/ale"))
        if path.exists()
    ),
    None,
)

_VIMRC = """
set nocompatible nobackup noswapfile viminfo= shortmess+=I
set completeopt=menuone,noselect omnifunc=ale#completion#OmniFunc
let g:ale_completion_enabled = 1
let g:ale_completion_delay = 50
let g:ale_disable_lsp = 0
let g:aix_lsp_command = '%(python)s -m aix_lsp --stdio'
let g:aix_lsp_settings = {'deadlineMs': 15000, 'confidence': 0}
set runtimepath^=%(plugin)s
set runtimepath^=%(ale)s
filetype plugin on
autocmd FileType python setlocal omnifunc=ale#completion#OmniFunc
"""


@pytest.fixture
def vim(tmp_path: Path, engine_home: Path) -> Iterator[Terminal]:
    program = shutil.which("vim")
    if not program or not terminal.found() or not ALE:
        pytest.skip("no Vim, no ALE or no tmux here: run tests/editors/install.sh")
    shown = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=60).stdout
    if "+channel" not in shown:
        pytest.skip("this Vim was built without channels: run tests/editors/install.sh")
    vimrc = tmp_path / "vimrc"
    vimrc.write_text(_VIMRC % {"python": sys.executable, "plugin": ROOT / "editors" / "vim", "ale": ALE})
    project = tmp_path / "project"
    (project / ".git").mkdir(parents=True)
    (project / "edited.py").write_text(SOURCE + "\n")
    variables = terminal.environment(tmp_path, engine_home)
    editor = Terminal([program, "-u", str(vimrc), "edited.py"], variables, project)
    yield editor
    editor.close()


def saved(vim: Terminal, path: Path) -> str:
    """Save, and return the file's text. The message to wait for differs each time, and was not typed."""
    token = uuid.uuid4().hex[:8]
    vim.keys("Escape")
    vim.type(f":write! | echo 'saved'..'{token}'\n")
    vim.wait_screen(f"saved{token}")
    return path.read_text()


def asked(vim: Terminal) -> bool:
    """Request the popup explicitly; returns whether it has one of our entries."""
    vim.keys("C-e")
    vim.keys("C-x", "C-o")
    try:
        vim.wait(lambda: "[v]" in vim.screen() or "aix" in vim.screen(), "an entry", within=3)
    except AssertionError:
        return False
    return True


def test_popup_accept_and_fast_typing(vim: Terminal, tmp_path: Path) -> None:
    path = tmp_path / "project" / "edited.py"
    vim.type("GA ")
    vim.wait(lambda: asked(vim), "an entry of ours in the popup", within=200)
    vim.keys("C-n", "C-y")
    accepted = saved(vim, path)
    assert accepted.startswith(SOURCE + " ") and accepted.strip() != SOURCE, accepted
    vim.type("Go")
    typed = "values = [add(1, 2), subtract(3, 4)]  # in one go"
    vim.type(typed)
    vim.keys("C-e")
    assert saved(vim, path).split("\n")[-2] == typed


def test_popup_doubles_no_bracket(vim: Terminal, tmp_path: Path) -> None:
    path = tmp_path / "project" / "edited.py"
    vim.type("Go")
    vim.type("print()")
    vim.keys("Left")
    vim.wait(lambda: asked(vim), "an entry of ours in the popup", within=200)
    vim.keys("C-n", "C-y")
    line = saved(vim, path).split("\n")[-2]
    assert line.startswith("print(") and len(line) > len("print()"), line
    assert line.count("(") == line.count(")"), line
