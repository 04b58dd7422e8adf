"""Draws the README's pictures: real editors, the real server, the embedded model. Run by `make pictures`.

An editor that is not here is left out, and its picture stays as it was.
"""

from __future__ import annotations

import logging
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from docs.pictures.svg import cells_of_ansi, draw
from tests.conftest import make_home, remove_home
from tests.editors import neovim, terminal, workbench
from tests.editors.emacs import OWN, Emacs
from tests.editors.terminal import Terminal
from tests.editors.test_vscode import settled_ghost
from tests.editors.workbench import Workbench

HERE = Path(__file__).parent
LONGEST_S = 240.0
SOURCE = '''\
"""Readings of a weather station."""

import json


def load(path):
    """The readings in a file."""
    with open(path) as file:
        data ='''

_INIT = """
vim.opt.runtimepath:prepend("%(plugin)s")
vim.cmd("set background=dark termguicolors number laststatus=2 noshowcmd shortmess+=F")
require("aix_lsp").setup({ ghost = "own", cmd = { "%(python)s", "-m", "aix_lsp", "--stdio" } })
vim.o.statusline = "%%f %%=%%{v:lua.require'aix_lsp'.statusline()} "
"""

_EMACS = """
(menu-bar-mode -1)
(load-theme 'wombat t)
(keymap-global-set "C-c m" (lambda () (interactive) (setq mode-line-format usual-mode-line)))
"""


def draw_neovim(home: Path, engine_home: Path) -> None:
    # Not the fetched 0.12: run through a loader of its own, it cannot start its screen as a second process.
    program = neovim.find((0, 10), (0, 12))
    if not program:
        raise FileNotFoundError("no Neovim 0.10 or 0.11 here")
    init = home / "init.lua"
    plugin = neovim.ROOT / "editors" / "neovim"
    init.write_text(_INIT % {"plugin": plugin, "python": sys.executable}, encoding="utf-8")
    (home / "station.py").write_text(SOURCE + "\n", encoding="utf-8")
    variables = terminal.environment(home, engine_home) | {"COLORTERM": "truecolor"}
    argv = [program, "-n", "-u", str(init), str(home / "station.py")]
    editor = Terminal(argv, variables, home, columns=80, rows=20)
    try:
        editor.wait_screen("aix embedded", LONGEST_S)
        editor.type("GA ")
        editor.wait(lambda: "data = " in editor.screen().replace("data = \n", ""), "ghost text")
        settle(editor)
        HERE.joinpath("neovim.svg").write_text(draw(cells_of_ansi(editor.capture(), 80)))
    finally:
        editor.close()


def settle(editor: Terminal) -> None:
    """Wait until the screen has been the same for ten looks."""
    seen: list[str] = []

    def same() -> bool:
        seen.append(editor.screen())
        return len(seen) > 10 and len(set(seen[-10:])) == 1

    editor.wait(same, "a screen at rest")


def draw_emacs(home: Path, engine_home: Path) -> None:
    editor = Emacs(home, engine_home, OWN + _EMACS, SOURCE)
    try:
        editor.keys("C-c", "m")
        editor.wait_screen("(Python aix")
        editor.type(" ")
        editor.settled_line("data = ")
        rows = cells_of_ansi(editor.capture(), 80)
        HERE.joinpath("emacs.svg").write_text(draw(rows[:18] + rows[-2:], canvas="#242424"))
    finally:
        editor.close()


def draw_vscode(home: Path, engine_home: Path) -> None:
    if missing := workbench.missing():
        raise FileNotFoundError(missing)
    window = Workbench(home, engine_home, "station.py", SOURCE)
    try:
        window.wait(lambda: "embedded" in window.do("status"), "loaded model", LONGEST_S)
        window.do("press", key="Control+End")
        window.do("type", text=" ")
        settled_ghost(window)
        window.wait(lambda: "ms" in window.do("status"), "latency")
        window.do("screenshot", path=str(HERE / "vscode.png"))
    finally:
        window.close()


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    pictures: list[Callable[[Path, Path], None]] = [draw_neovim, draw_emacs, draw_vscode]
    engine_home = make_home()
    try:
        for picture in pictures:
            with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
                try:
                    picture(Path(home), engine_home)
                    logging.info("%s: done", picture.__name__)
                except (FileNotFoundError, pytest.skip.Exception) as error:
                    logging.warning("%s: left out: %s", picture.__name__, error)
    finally:
        remove_home(engine_home)


if __name__ == "__main__":
    main()
