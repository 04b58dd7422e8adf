"""Draws the README's pictures: real editors, the real server, the embedded model. Run by `make pictures`.

An editor that is not here is left out, and its picture stays as it was.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from docs.pictures.svg import BACKGROUND, FOREGROUND, Cell, cells_of_ansi, draw
from tests.conftest import make_home, remove_home
from tests.editors import neovim, workbench
from tests.editors.neovim_plugin import PluginNeovim
from tests.editors.test_emacs import _OWN, Emacs
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

_CELLS = """
vim.cmd.redraw()
local rows = {}
for row = 1, vim.o.lines do
  rows[row] = {}
  for column = 1, vim.o.columns do
    rows[row][column] = vim.api.nvim__inspect_cell(1, row - 1, column - 1)
  end
end
return rows
"""


def draw_neovim(home: Path, engine_home: Path) -> None:
    program = neovim.find((0, 12)) or neovim.find((0, 10))
    if not program:
        raise FileNotFoundError("no Neovim: run tests/editors/fetch_nvim.sh")
    editor = PluginNeovim(program, home, engine_home, "{ ghost = 'own' }")
    try:
        editor.api.command("set laststatus=2 number termguicolors")
        editor.api.command("set statusline=%f\\ %=%{v:lua.require'aix_lsp'.statusline()}\\ ")
        editor.open("station.py", SOURCE + "\n")
        editor.wait(editor.ready, "loaded model", LONGEST_S)
        editor.insert_at_end(" ")
        editor.settled_ghost()
        HERE.joinpath("neovim.svg").write_text(draw(_neovim_cells(editor)[:18] + _neovim_cells(editor)[-2:]))
    finally:
        editor.close()


def _neovim_cells(editor: PluginNeovim) -> list[list[Cell]]:
    rows = []
    for row in editor.lua(_CELLS):
        cells = []
        for text, attributes, *_ in row:
            fore, back = attributes.get("foreground"), attributes.get("background")
            colours = [
                FOREGROUND if fore is None else f"#{fore:06x}",
                BACKGROUND if back is None else f"#{back:06x}",
            ]
            if attributes.get("reverse"):
                colours.reverse()
            bold, italic = bool(attributes.get("bold")), bool(attributes.get("italic"))
            cells.append(Cell(text or " ", *colours, bold, italic))
        rows.append(cells)
    return rows


def draw_emacs(home: Path, engine_home: Path) -> None:
    editor = Emacs(home, engine_home, _OWN + "(menu-bar-mode -1) (load-theme 'wombat t)", SOURCE)
    try:
        editor.type(" ")
        editor.settled_line("data = ")
        screen = editor.capture()
        rows = cells_of_ansi(screen, 80)
        HERE.joinpath("emacs.svg").write_text(draw(rows[:18] + rows[-2:]))
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
        window.wait(lambda: window.do("ghost"), "ghost text")
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
                except (Exception, pytest.skip.Exception) as error:
                    logging.warning("%s: left out: %s", picture.__name__, error)
    finally:
        remove_home(engine_home)


if __name__ == "__main__":
    main()
