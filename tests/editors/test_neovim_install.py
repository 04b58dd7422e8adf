"""The ways to install the Neovim plugin given in docs/editors/neovim.md, each run as written there."""

from __future__ import annotations

import os
import re
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.editors.neovim import ROOT, find
from tests.editors.neovim_plugin import PluginNeovim

pytestmark = pytest.mark.slow_editor

LAZY = ROOT / ".cache" / "plugins" / "lazy.nvim"
SOURCE = "def add(a, b):\n    return a + b\n\n\ndef subtract(a, b):\n    return"
_LAZY_CONFIG = """
vim.opt.runtimepath:prepend('%(lazy)s')
require('lazy').setup({ %(plugin)s }, { rocks = { enabled = false }, performance = { rtp = { reset = false } } })
"""


def documented(way: str) -> str:
    """The Lua block that follows `With WAY` on the page."""
    page = (ROOT / "docs" / "editors" / "neovim.md").read_text(encoding="utf-8")
    found = re.search(rf"With {re.escape(way)}.*?```lua\n(.*?)```", page, re.DOTALL)
    assert found, way
    return textwrap.dedent(found[1])


def by_vim_pack() -> str:
    """vim.pack asks before it installs; the answer is given in advance."""
    text = documented("`vim.pack`").replace("https://github.com/aix-lsp/aix-lsp", f"file://{ROOT}")
    return text.replace("load =", "confirm = false, load =")


def by_lazy() -> str:
    plugin = documented("lazy.nvim").replace("'aix-lsp/aix-lsp'", f"url = 'file://{ROOT}', name = 'aix-lsp'")
    return _LAZY_CONFIG % {"lazy": LAZY, "plugin": plugin}


@pytest.mark.parametrize(
    ("way", "oldest"), [(by_vim_pack, (0, 12)), (by_lazy, (0, 10))], ids=["vim.pack", "lazy.nvim"]
)
def test_installed_as_documented(
    way: Callable[[], str],
    oldest: tuple[int, int],
    tmp_path: Path,
    engine_home: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    executable = find(oldest)
    if executable is None:
        pytest.skip(f"no Neovim {oldest[0]}.{oldest[1]} here: run tests/editors/fetch_debian.sh")
    if way is by_lazy and not LAZY.exists():
        pytest.skip("no lazy.nvim here: run tests/editors/fetch_plugins.sh")
    if not (ROOT / ".git").exists():
        pytest.skip("not a git repository, from which plugins are installed")
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    (tmp_path / ".git").mkdir()
    (tmp_path / ".aix-lsp.toml").write_text("deadlineMs = 15000\nconfidence = 0\n")
    editor = PluginNeovim(executable, tmp_path, engine_home, config=way())
    try:
        editor.open("edited.py", SOURCE + "\n")
        editor.wait(editor.ready, "the model", within=200)
        editor.insert_at_end(" ")
        ghost = editor.settled_ghost()
        editor.keys("<Tab>")
        editor.wait(lambda: editor.buffer() != SOURCE + " ", "accepted text")
        assert editor.buffer() == SOURCE + " " + ghost
        editor.keys("<Esc>")
        editor.api.command("noautocmd help aix-lsp")
        assert editor.api.current.buffer.name.endswith("aix-lsp.txt")
    finally:
        editor.close()
