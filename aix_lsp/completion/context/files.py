"""Says which files are searched for context and how near they are to each other, and reads them. Knows no index."""

from __future__ import annotations

import os
from itertools import takewhile
from pathlib import Path, PurePosixPath

from aix_lsp.files import read_bytes
from aix_lsp.privacy.secrets import Redacted, redact

_PASSED_BY = frozenset(("node_modules", "__pycache__", "site-packages", "bower_components"))
_STANDS_FOR_ITS_FOLDER = frozenset(("__init__", "index", "mod"))

LARGEST = 256 * 1024
"""Bytes; a larger file contains data or was generated."""
_LONGEST_LINE = 2000
"""Characters on average over a file's first lines; minified code has more."""


def passed_by(folder: str) -> bool:
    """Whether a folder's name says that its content was not written by hand in this project."""
    return folder.startswith(".") or folder in _PASSED_BY


def stem(path: str) -> str:
    """The name by which others import the file: its own without suffixes, or its folder's (`__init__.py`, `mod.rs`)."""
    pure = PurePosixPath(path)
    name = pure.name.partition(".")[0]
    return pure.parent.name if name in _STANDS_FOR_ITS_FOLDER and pure.parent.name else name


def module_parts(path: str) -> tuple[str, ...]:
    """The folders of a file inside its workspace, and then its stem."""
    pure = PurePosixPath(path)
    folders = pure.parts[:-1]
    if pure.name.partition(".")[0] in _STANDS_FOR_ITS_FOLDER:
        return folders
    return (*folders, pure.name.partition(".")[0])


def nearness(path: str, other: str) -> int:
    """Higher for files with more folders in common and fewer that differ; at most 0."""
    one, two = PurePosixPath(path).parts[:-1], PurePosixPath(other).parts[:-1]
    shared = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, two, strict=False)))
    return 2 * shared - len(one) - len(two)


def entries(folder: Path) -> list[tuple[str, bool]]:
    """The name of each entry of a folder and whether it is one itself, sorted by name, without links."""
    try:
        with os.scandir(folder) as found:
            return sorted((e.name, e.is_dir(follow_symlinks=False)) for e in found if not e.is_symlink())
    except OSError:
        return []


def read_source(path: Path) -> Redacted | None:
    """A file's text without its secrets, with line feeds only; None if it is not source code written by hand."""
    try:
        data = read_bytes(path, LARGEST)
    except OSError:
        return None
    if b"\0" in data:
        return None
    text = data.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n")
    head = text[: 8 * _LONGEST_LINE]
    if len(head) > _LONGEST_LINE * (head.count("\n") + 1):
        return None
    return redact(text, path.suffix.removeprefix(".") or path.name)
