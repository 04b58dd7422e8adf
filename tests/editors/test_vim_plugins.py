"""The configuration that `aix-lsp init … --write` writes, in the real Vim with ALE, vim-lsp and coc.nvim."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.editors import terminal
from tests.editors.terminal import ROOT, Terminal
from tests.editors.test_vim import ALE, SOURCE, asked, saved

FETCHED = ROOT / ".cache" / "plugins"
_VIMRC = """
set nocompatible nobackup nowritebackup noswapfile viminfo= shortmess+=I completeopt=menuone,noselect encoding=utf-8
filetype plugin on
"""


@dataclass(frozen=True)
class Way:
    """A plugin, how it is configured, and how a suggestion is requested and accepted in it."""

    name: str
    """The name that `aix-lsp init` takes."""
    plugins: tuple[Path | None, ...]
    written: str
    """The file that `--write` writes, relative to ~/.vim."""
    offered: Callable[[Terminal], bool]
    """Request a suggestion after `return `; returns whether one came. If none did, the line is unchanged."""
    take: Callable[[Terminal], None]
    vimrc: str = ""


def typed(row: str) -> Callable[[Terminal], bool]:
    """Type a letter, and look for an entry in the popup that opens."""

    def offered(editor: Terminal) -> bool:
        editor.type("a")
        if came(editor, lambda: re.search(row, editor.screen())):
            return True
        editor.keys("BSpace")
        return False

    return offered


def ghost(editor: Terminal) -> bool:
    """Wait for ghost text that stays. Insert mode entered before coc has started gets none."""
    row, seen = SOURCE.count("\n"), [""]

    def shown() -> bool:
        seen.append(editor.screen().split("\n")[row].strip())
        return len(set(seen[-10:])) == 1 and seen[-1] not in ("return", "")

    if came(editor, shown):
        return True
    editor.keys("BSpace")
    editor.type(" ")
    if came(editor, shown):
        return True
    editor.keys("Escape")
    editor.wait(lambda: "INSERT" not in editor.screen(), "normal mode")
    editor.type("A")
    return False


def take_first(editor: Terminal) -> None:
    editor.keys("C-n", "C-y")


def take_ghost(editor: Terminal) -> None:
    """Accept ghost text. Coc inserts it a moment after the key: wait until the cursor moves."""
    before = cursor(editor)
    editor.keys("C-y")
    editor.wait(lambda: cursor(editor) not in ("", before), "an accepted text")


def cursor(editor: Terminal) -> str:
    """Line and column, as Vim's ruler shows them; empty if it shows none."""
    found = re.search(r"\d+,\d+\S*(?= +All)", editor.screen())
    return found[0] if found else ""


def came(editor: Terminal, condition: Callable[[], object]) -> bool:
    try:
        editor.wait(condition, "a suggestion", within=5)
    except AssertionError:
        return False
    return True


_VIM_LSP = tuple(FETCHED / name for name in ("vim-lsp", "asyncomplete.vim", "asyncomplete-lsp.vim"))
_COC = (FETCHED / "coc.nvim",)
_BUILT = _COC[0] / "build" / "index.js"
_ALE_VIMRC = (
    "autocmd FileType python setlocal omnifunc=ale#completion#OmniFunc\nlet g:ale_completion_delay = 50\n"
)
ALE_POPUP = Way("vim-ale", (ALE,), "plugin/aix-lsp-ale.vim", asked, take_first, _ALE_VIMRC)
VIM_LSP_POPUP = Way("vim-lsp", _VIM_LSP, "plugin/aix-lsp-vim-lsp.vim", typed(r"a\S* .* text\b"), take_first)
COC_POPUP = Way("coc", (*_COC, _BUILT), "coc-settings.json", typed(r"a.*\baix\b.*\[LS\]"), take_first)
COC_GHOST = Way("coc", (*_COC, _BUILT), "coc-settings.json", ghost, take_ghost)


@pytest.fixture(
    params=[
        pytest.param(ALE_POPUP, id="ale"),
        pytest.param(VIM_LSP_POPUP, id="vim-lsp", marks=pytest.mark.slow_editor),
        pytest.param(COC_POPUP, id="coc-popup", marks=pytest.mark.slow_editor),
        pytest.param(COC_GHOST, id="coc-ghost", marks=pytest.mark.slow_editor),
    ]
)
def way(request: pytest.FixtureRequest) -> Way:
    way: Way = request.param
    if not shutil.which("vim") or not terminal.found():
        pytest.skip("no Vim or no tmux here: run tests/editors/install.sh")
    if not all(path and path.exists() for path in way.plugins):
        pytest.skip(f"{way.name}'s plugin is not here: run tests/editors/install.sh and fetch_plugins.sh")
    return way


@pytest.fixture
def vim(way: Way, tmp_path: Path, engine_home: Path) -> Iterator[Terminal]:
    variables = terminal.environment(tmp_path, engine_home)
    folder = Path(variables["HOME"]) / ".vim"
    packages = folder / "pack" / "fetched" / "start"
    packages.mkdir(parents=True)
    for path in way.plugins:
        if path is not None and path.is_dir():
            (packages / path.name).symlink_to(path)
    (folder / "vimrc").write_text(_VIMRC + way.vimrc)
    argv = [sys.executable, "-m", "aix_lsp", "init", way.name, "--write"]
    subprocess.run(argv, env=os.environ | variables, cwd=ROOT, check=True, timeout=60)
    assert (folder / way.written).is_file()
    project = tmp_path / "project"
    (project / ".git").mkdir(parents=True)
    (project / ".aix-lsp.toml").write_text("deadlineMs = 15000\nconfidence = 0\n")
    (project / "edited.py").write_text(SOURCE + "\n")
    editor = Terminal([str(shutil.which("vim")), "edited.py"], variables, project)
    yield editor
    editor.close()


def test_written_configuration_suggests(way: Way, vim: Terminal, tmp_path: Path) -> None:
    path = tmp_path / "project" / "edited.py"
    vim.wait_screen("subtract")
    vim.type("GA ")
    vim.wait(lambda: way.offered(vim), "a suggestion of ours", within=200)
    way.take(vim)
    text = saved(vim, path)
    assert text.startswith(SOURCE + " ") and len(text.strip()) > len(SOURCE) + 2, text
    in_one_go = "values = [add(1, 2), subtract(3, 4)]  # in one go"
    vim.type("Go" + in_one_go)
    assert saved(vim, path).rstrip().split("\n")[-1] == in_one_go
