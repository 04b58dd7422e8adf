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
"""Takes a file's text and ours, and returns the new text. Raises `CannotPlace`."""


_LARGEST = 16 << 20


class CannotPlace(Exception):
    """The file cannot be changed safely; the message says what to do by hand."""


@dataclass(frozen=True, slots=True)
class Place:
    """A file, and how our text is merged into its content."""

    path: Path
    merge: Merge


@dataclass(frozen=True, slots=True)
class Placed:
    """What was done: `backup` contains the file's old text, `changed` is false if ours was already there."""

    path: Path
    backup: Path | None
    changed: bool


def place_of(editor: str) -> Place:
    """Where `aix-lsp init --write` puts an editor's configuration. Raises `CannotPlace` if the editor has no file."""
    home, config = Path.home(), config_folder()
    vim = home / ("vimfiles" if sys.platform == "win32" else ".vim")
    neovim = (Path(os.environ.get("LOCALAPPDATA", home)) if sys.platform == "win32" else config) / "nvim"
    applications = Path(platformdirs.user_config_dir(appauthor=False, roaming=True))
    places = {
        "neovim": Place(neovim / "plugin" / "aix-lsp.lua", own_file),
        "vim-ale": Place(vim / "plugin" / "aix-lsp-ale.vim", own_file),
        "vim-lsp": Place(vim / "plugin" / "aix-lsp-vim-lsp.vim", own_file),
        "emacs": Place(_emacs_init(home, config), lisp_block),
        "helix": Place(
            (applications if sys.platform == "win32" else config) / "helix" / "languages.toml", sole_toml
        ),
        "vscode": Place(applications / "Code" / "User" / "settings.json", json_keys),
        "coc": Place(vim / "coc-settings.json", json_keys),
        "kate": Place(applications / "kate" / "lspclient" / "settings.json", json_keys),
        "sublime": Place(_sublime(applications) / "Packages" / "User" / "LSP.sublime-settings", json_keys),
    }
    if editor not in places:
        raise CannotPlace(
            f"{editor} is configured in its own dialogs: `aix-lsp init {editor}` says what to enter"
        )
    return places[editor]


def config_folder() -> Path:
    """Where programs that follow XDG keep their configuration, also on macOS."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")


def write(place: Place, text: str) -> Placed:
    """Merge `text` into the file. Raises `CannotPlace` or `OSError`."""
    try:
        path = place.path.resolve()  # follows links, as into a repository with the user's configuration
        before = files.read_bytes(path, _LARGEST).decode("utf-8") if path.exists() else ""
    except UnicodeDecodeError:
        raise CannotPlace(f"{path} is not UTF-8: add the printed configuration by hand") from None
    except RuntimeError as error:  # of links in a circle
        raise CannotPlace(str(error)) from None
    after = place.merge(before, text)
    if after == before:
        return Placed(path, None, changed=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    backup = None
    if before:
        backup = _free_name(path)
        shutil.copy2(path, backup)
    path.write_text(after, encoding="utf-8")
    return Placed(path, backup, changed=True)


def own_file(before: str, text: str) -> str:
    """Merge into a file that is ours alone: replace it."""
    return text


def lisp_block(before: str, text: str) -> str:
    """Merge as a block between two comments; an older block is replaced."""
    begin, end = ";; begin aix-lsp (written by `aix-lsp init`)", ";; end aix-lsp"
    block = f"{begin}\n{text.strip()}\n{end}\n"
    head, found, rest = before.partition(begin)
    if found:
        _, closed, tail = rest.partition(f"{end}\n")
        if not closed:
            raise CannotPlace(f"the line {end!r} is missing after {begin!r}: put it back or remove both")
        return head + block + tail
    gap = "\n" if before and not before.endswith("\n\n") else ""
    return before + ("\n" if before and not before.endswith("\n") else "") + gap + block


def sole_toml(before: str, text: str) -> str:
    """Merge into a TOML file without other content: its tables for languages cannot be given twice."""
    if before.strip() in ("", text.strip()):
        return text
    raise CannotPlace(
        "the file already has languages, which TOML does not let us extend: merge the printed configuration by hand"
    )


def json_keys(before: str, text: str) -> str:
    """Merge keys into a JSON object. Raises `CannotPlace` if it has comments, which would be lost."""
    try:
        present = json.loads(before) if before.strip() else {}
    except (ValueError, RecursionError):
        raise CannotPlace(
            "the file's JSON has comments or errors: add the printed configuration by hand"
        ) from None
    if not isinstance(present, dict):
        raise CannotPlace("the file contains no JSON object: add the printed configuration by hand")
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


def _free_name(path: Path) -> Path:
    name, number = path.with_name(path.name + ".before-aix-lsp"), 1
    while name.exists():
        number += 1
        name = path.with_name(f"{path.name}.before-aix-lsp-{number}")
    return name
