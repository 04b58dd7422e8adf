"""`aix-lsp init EDITOR`: the configuration that makes an editor use this installation."""

from __future__ import annotations

import shutil
import sys
from importlib import resources
from pathlib import Path

import click

import aix_lsp
from aix_lsp.commands import editor_config

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
    "zed": "zed.txt",
}
_WHOLE = {
    "helix": "helix/languages.toml",
    "kate": "kate/settings.json",
    "sublime": "sublime/LSP.sublime-settings",
}
"""Configurations in `editors/` that are printed unchanged, except for this installation's command."""


@click.command("init")
@click.argument("editor", type=click.Choice(list(_TEXTS)))
@click.option(
    "--write",
    is_flag=True,
    help="Write it to the file that the editor reads; the previous file is kept as a backup.",
)
@click.option("--file", type=click.Path(path_type=Path, dir_okay=False), help="Write to this file instead.")
def command(editor: str, write: bool, file: Path | None) -> None:
    """Print the configuration for EDITOR and how to check that it works, or write it."""
    text = text_for(editor)
    if not write and file is None:
        click.echo(text, nl=False)
        return
    try:
        target = editor_config.config_file_of(editor)
        done = editor_config.write(editor_config.ConfigFile(file, target.merge) if file else target, text)
    except (editor_config.CannotConfigure, OSError) as error:
        raise click.ClickException(
            f"nothing was written: {error}. `aix-lsp init {editor}` prints the configuration."
        ) from None
    click.echo(f"{'Wrote' if done.changed else 'Already in'} {done.path}")
    if done.backup:
        click.echo(f"The previous file is now {done.backup}")
    click.echo(next(line.lstrip('-/#;" ') for line in text.splitlines() if "To check that it works" in line))


def text_for(editor: str) -> str:
    """The text that is printed or written for an editor."""
    text = resources.files("aix_lsp.commands").joinpath("editors", _TEXTS[editor]).read_text("utf-8")
    if whole := _WHOLE.get(editor):
        name, _, file = whole.partition("/")
        shipped_text = (editor_folder(name) / file).read_text("utf-8").strip()
        for ours in ('"aix-lsp", "--stdio"', 'command = "aix-lsp"'):
            shipped_text = shipped_text.replace(ours, ours.replace("aix-lsp", "@COMMAND@"))
        text = text.replace("@WHOLE@", shipped_text)
    text = text.replace("@PLUGIN@", editor_folder(editor).as_posix())
    return text.replace("@COMMAND@", program())


def program() -> str:
    """How an editor starts this installation: by name if that is on the PATH, otherwise by its path."""
    here = Path(sys.argv[0])
    if here.stem != "aix-lsp":
        here = Path(sys.executable).with_name("aix-lsp")
    found = shutil.which("aix-lsp")
    if found is not None and Path(found).resolve() == here.resolve():
        return "aix-lsp"
    # Forward slashes need no escaping in any of the texts, and Windows accepts them.
    return here.absolute().as_posix()


def editor_folder(editor: str) -> Path:
    """An editor's folder: in the clone from which this runs, otherwise in the installed package."""
    package = Path(aix_lsp.__file__).parent
    clone = package.parent / "editors" / editor
    # In site-packages, a folder `editors` beside the package may be another project's.
    return (
        clone
        if (package.parent / "pyproject.toml").is_file() and clone.is_dir()
        else package / "editors" / editor
    )
