"""`aix-lsp init EDITOR`: the configuration that makes an editor use this installation."""

from __future__ import annotations

import shutil
import sys
from importlib import resources
from pathlib import Path

import click

_TEXTS = {
    "neovim": "neovim.lua",
    "vscode": "vscode.json",
    "emacs": "emacs.el",
    "helix": "helix.toml",
    "vim-ale": "vim-ale.vim",
    "vim-lsp": "vim-lsp.vim",
    "coc": "coc.json",
    "kate": "kate.json",
    "sublime": "sublime.json",
    "jetbrains": "jetbrains.txt",
}


@click.command("init")
@click.argument("editor", type=click.Choice(list(_TEXTS)))
def command(editor: str) -> None:
    """Print the configuration for EDITOR, and how to see that it works."""
    text = resources.files("aix_lsp.commands").joinpath("editors", _TEXTS[editor]).read_text("utf-8")
    click.echo(text.replace("@COMMAND@", program()), nl=False)


def program() -> str:
    """How an editor starts this installation: by name where that finds it, else by its path."""
    here = Path(sys.argv[0])
    if here.stem != "aix-lsp":
        here = Path(sys.executable).with_name("aix-lsp")
    found = shutil.which("aix-lsp")
    if found is not None and Path(found).resolve() == here.resolve():
        return "aix-lsp"
    # Forward slashes need no escaping in any of the texts, and Windows takes them.
    return here.absolute().as_posix()
