"""Which files are searched, by their names, and what others call them. Reads no files."""

from __future__ import annotations

from pathlib import PurePosixPath

_PASSED_BY = frozenset(("node_modules", "__pycache__", "site-packages", "bower_components"))
_STANDS_FOR_ITS_FOLDER = frozenset(("__init__", "index", "mod"))


def passed_by(folder: str) -> bool:
    """Whether a folder's name says that nobody wrote what lies in it here."""
    return folder.startswith(".") or folder in _PASSED_BY


def stem(path: str) -> str:
    """What others call the file: its name without suffixes, or its folder's where it stands for that."""
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
