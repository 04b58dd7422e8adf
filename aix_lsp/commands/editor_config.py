"""Knows where editors keep their configuration, and inserts ours. Does not know its content.

Three ways: a file of our own in a folder that the editor reads, a marked block in a file of the user's, or keys merged
into a JSON file. The old file is kept beside the new one; writing the same again changes nothing.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs

from aix_lsp import files

Merge = Callable[[str, str], str]
"""Takes a file's text and ours, and returns the new text. Raises `CannotConfigure`."""


_LARGEST = 16 << 20


class CannotConfigure(Exception):
    """An editor has no file for this, or it cannot be changed safely; the message says what to do by hand."""


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """A file that an editor reads, and how our text is merged into it."""

    path: Path
    merge: Merge


@dataclass(frozen=True, slots=True)
class Written:
    """What was done: `backup` contains the file's old text, `changed` is false if ours was already there."""

    path: Path
    backup: Path | None
    changed: bool


def config_file_of(editor: str) -> ConfigFile:
    """Where `aix-lsp init --write` puts an editor's configuration. Raises `CannotConfigure` if it has no file."""
    home, config = Path.home(), config_folder()
    vim = home / ("vimfiles" if sys.platform == "win32" else ".vim")
    neovim = (Path(os.environ.get("LOCALAPPDATA", home)) if sys.platform == "win32" else config) / "nvim"
    applications = Path(platformdirs.user_config_dir(appauthor=False, roaming=True))
    known = {
        "neovim": ConfigFile(neovim / "plugin" / "aix-lsp.lua", replace_file),
        "vim-ale": ConfigFile(vim / "plugin" / "aix-lsp-ale.vim", replace_file),
        "vim-lsp": ConfigFile(vim / "plugin" / "aix-lsp-vim-lsp.vim", replace_file),
        "emacs": ConfigFile(_emacs_init(home, config), merge_lisp_block),
        "helix": ConfigFile(
            (applications if sys.platform == "win32" else config) / "helix" / "languages.toml",
            replace_own_toml,
        ),
        "vscode": ConfigFile(applications / "Code" / "User" / "settings.json", merge_json),
        "coc": ConfigFile(vim / "coc-settings.json", merge_json),
        "kate": ConfigFile(applications / "kate" / "lspclient" / "settings.json", merge_json),
        "sublime": ConfigFile(
            _sublime(applications) / "Packages" / "User" / "LSP.sublime-settings", merge_json
        ),
    }
    if editor not in known:
        raise CannotConfigure(
            f"{editor} is configured in its own dialogs: `aix-lsp init {editor}` says what to enter"
        )
    return known[editor]


def config_folder() -> Path:
    """Where programs that follow XDG keep their configuration, also on macOS."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")


def write(file: ConfigFile, text: str) -> Written:
    """Merge `text` into the file. Raises `CannotConfigure` or `OSError`."""
    try:
        path = file.path.resolve()  # follows links, as into a repository with the user's configuration
        before = files.read_bytes(path, _LARGEST).decode("utf-8") if path.exists() else ""
    except UnicodeDecodeError:
        raise CannotConfigure(f"{path} is not UTF-8: add the printed configuration by hand") from None
    except RuntimeError as error:  # of links in a circle
        raise CannotConfigure(str(error)) from None
    after = file.merge(before, text)
    if after == before:
        return Written(path, None, changed=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    backup = None
    if before:
        backup = _backup_path(path)
        shutil.copy2(path, backup)
    path.write_text(after, encoding="utf-8")
    return Written(path, backup, changed=True)


def replace_file(before: str, text: str) -> str:
    """Replace a file that is ours alone."""
    return text


def merge_lisp_block(before: str, text: str) -> str:
    """Merge as a block between two comments; an older block is replaced."""
    begin, end = ";; begin aix-lsp (written by `aix-lsp init`)", ";; end aix-lsp"
    block = f"{begin}\n{text.strip()}\n{end}\n"
    head, found, rest = before.partition(begin)
    if found:
        _, closed, tail = rest.partition(f"{end}\n")
        if not closed:
            raise CannotConfigure(f"the line {end!r} is missing after {begin!r}: put it back or remove both")
        return head + block + tail
    gap = "\n" if before and not before.endswith("\n\n") else ""
    return before + ("\n" if before and not before.endswith("\n") else "") + gap + block


def replace_own_toml(before: str, text: str) -> str:
    """Replace a TOML file without other content: its tables for languages cannot be given twice."""
    if before.strip() in ("", text.strip()):
        return text
    raise CannotConfigure(
        "the file already has languages, which TOML does not let us extend: merge the printed configuration by hand"
    )


def merge_json(before: str, text: str) -> str:
    """Merge keys into a JSON object. Raises `CannotConfigure` if it has comments, which would be lost."""
    try:
        present = json.loads(before) if before.strip() else {}
    except (ValueError, RecursionError):
        raise CannotConfigure(
            "the file's JSON has comments or errors: add the printed configuration by hand"
        ) from None
    if not isinstance(present, dict):
        raise CannotConfigure("the file contains no JSON object: add the printed configuration by hand")
    merged = _merged(present, _keys(text))
    return before if merged == present else json.dumps(merged, indent=2, ensure_ascii=False) + "\n"


def _keys(text: str) -> dict[str, Any]:
    """The object that a text for pasting represents: without its comments, and with braces if it lacks them."""
    body = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("//")).strip()
    keys = json.loads(body if body.startswith("{") else f"{{{body}}}")
    assert isinstance(keys, dict)
    return keys


def _merged(present: dict[str, Any], ours: dict[str, Any]) -> dict[str, Any]:
    merged = dict(present)
    for key, value in ours.items():
        old = merged.get(key)
        merged[key] = _merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def _emacs_init(home: Path, config: Path) -> Path:
    """The init file that Emacs would read, in its own order; if there is none, the one it would look for."""
    candidates = (
        home / ".emacs",
        home / ".emacs.el",
        home / ".emacs.d" / "init.el",
        config / "emacs" / "init.el",
    )
    return next((path for path in candidates if path.exists()), home / ".emacs.d" / "init.el")


def _sublime(applications: Path) -> Path:
    return applications / ("sublime-text" if sys.platform.startswith("linux") else "Sublime Text")


def _backup_path(path: Path) -> Path:
    name, number = path.with_name(path.name + ".before-aix-lsp"), 1
    while name.exists():
        number += 1
        name = path.with_name(f"{path.name}.before-aix-lsp-{number}")
    return name
