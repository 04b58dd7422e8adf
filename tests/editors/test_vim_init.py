"""What `aix-lsp init … --write` writes for Vim, with ALE and with vim-lsp, in the real Vim."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.editors import terminal
from tests.editors.terminal import ROOT, Terminal
from tests.editors.test_vim import ALE, SOURCE, saved

FETCHED = ROOT / ".cache" / "plugins"
_COMMON = """
set nocompatible nobackup noswapfile viminfo= shortmess+=I completeopt=menuone,noselect
filetype plugin on
"""
_ASK = {
    "vim-ale": "autocmd FileType python setlocal omnifunc=ale#completion#OmniFunc\nlet g:ale_completion_delay = 50\n",
    "vim-lsp": "autocmd FileType python setlocal omnifunc=lsp#complete\n"
    "let g:lsp_diagnostics_enabled = 0\nlet g:lsp_settings_enable_suggestions = 0\n",
}
_PLUGINS = {
    "vim-ale": [ALE] if ALE else [],
    "vim-lsp": [FETCHED / name for name in ("vim-lsp", "asyncomplete.vim", "asyncomplete-lsp.vim")],
}


@pytest.mark.parametrize("kind", ["vim-ale", pytest.param("vim-lsp", marks=pytest.mark.slow_editor)])
def test_written_configuration_suggests(kind: str, tmp_path: Path, engine_home: Path) -> None:
    program, plugins = shutil.which("vim"), _PLUGINS[kind]
    if not program or not terminal.found() or not plugins or not all(path.exists() for path in plugins):
        pytest.skip(f"no Vim with {kind} here: run tests/editors/install.sh, tests/editors/fetch_plugins.sh")
    variables = terminal.environment(tmp_path, engine_home)
    vim = Path(variables["HOME"]) / ".vim"
    (vim / "pack" / "fetched" / "start").mkdir(parents=True)
    for path in plugins:
        (vim / "pack" / "fetched" / "start" / path.name).symlink_to(path)
    (vim / "vimrc").write_text(_COMMON + _ASK[kind])
    write(kind, variables, tmp_path)
    project = tmp_path / "project"
    (project / ".git").mkdir(parents=True)
    (project / "edited.py").write_text(SOURCE + "\n")
    editor = Terminal([program, "edited.py"], variables, project)
    try:
        editor.wait_screen("subtract")
        editor.type("GA ")
        editor.wait(lambda: asked(editor), "an entry of ours in the popup", within=110)
        editor.keys("C-n", "C-y")
        text = saved(editor, project / "edited.py")
        assert text.startswith(SOURCE + " ") and text.strip() != SOURCE, text
        typed = "values = [add(1, 2), subtract(3, 4)]  # in one go"
        editor.type("Go" + typed)
        assert saved(editor, project / "edited.py").rstrip().split("\n")[-1] == typed
    finally:
        editor.close()


def write(kind: str, variables: dict[str, str], folder: Path) -> None:
    """Have the configuration written, for a server that is patient with a busy machine."""
    server = folder / "bin" / "aix-lsp"
    server.parent.mkdir()
    server.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m aix_lsp --set deadlineMs=15000 "$@"\n')
    server.chmod(0o755)
    argv = [sys.executable, "-m", "aix_lsp", "init", kind, "--write"]
    environment = os.environ | variables | {"PATH": os.environ["PATH"]}
    subprocess.run(argv, env=environment, cwd=ROOT, check=True, timeout=60, stdout=subprocess.DEVNULL)
    [written] = Path(variables["HOME"]).glob(".vim/plugin/*.vim")
    text = written.read_text()
    command = next(
        part
        for part in text.split("'")
        if part.endswith("aix-lsp") and part.startswith(("/", "aix")) and part != "aix-lsp"
    )
    written.write_text(text.replace(command, str(server)))


def asked(vim: Terminal) -> bool:
    """Ask for the popup by hand; whether it has an entry of ours."""
    vim.keys("C-e")
    vim.keys("C-x", "C-o")
    try:
        vim.wait(lambda: "aix" in vim.screen() or "[v]" in vim.screen(), "an entry", within=3)
    except AssertionError:
        return False
    return True
