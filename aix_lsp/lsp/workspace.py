"""Workspace folders of a session, and where a document lies in them. Reads no files."""

from __future__ import annotations

import urllib.parse
from dataclasses import dataclass
from pathlib import Path, PurePath

from pygls.uris import to_fs_path


@dataclass(frozen=True, slots=True)
class Folder:
    """One root of the workspace. `path` is empty where the root is not on this machine's file system."""

    uri: str
    path: str
    name: str = ""


class Workspace:
    """The folders that the editor has open; the innermost one that holds a document is the document's own."""

    def __init__(self) -> None:
        self._folders: dict[str, Folder] = {}

    @property
    def folders(self) -> tuple[Folder, ...]:
        return tuple(self._folders.values())

    def roots(self) -> list[Path]:
        """The folders that are on this machine's file system."""
        return [Path(folder.path) for folder in self._folders.values() if folder.path]

    def add(self, uri: str, name: str = "") -> Folder:
        folder = Folder(uri, file_path(uri), name)
        self._folders[uri] = folder
        return folder

    def remove(self, uri: str) -> None:
        self._folders.pop(uri, None)

    def folder_of(self, uri: str) -> Folder | None:
        """The innermost folder that holds the document, by path where both have one, else by URI."""
        path = file_path(uri)
        holding = [f for f in self._folders.values() if _holds(f, uri, path)]
        return max(holding, key=lambda folder: len(folder.uri), default=None)

    def shown_path(self, uri: str) -> str:
        """The path that the model is shown: inside its folder, else the file's bare name.

        Never an absolute path, which would tell a remote model the user's name. Empty for untitled buffers.
        """
        path = file_path(uri)
        if not path:
            return ""
        folder = self.folder_of(uri)
        if folder is None or not folder.path:
            return PurePath(path).name
        return PurePath(path).relative_to(folder.path).as_posix()


def _holds(folder: Folder, uri: str, path: str) -> bool:
    if folder.path and path:
        return PurePath(path).is_relative_to(folder.path)
    return uri.startswith(folder.uri.rstrip("/") + "/")


def file_path(uri: str) -> str:
    """The file system path behind a document's URI; empty where there is none, as for an unsaved buffer.

    A notebook's cells (`vscode-notebook-cell:/path/to.ipynb#W0`) have their notebook's path.
    """
    try:
        parts = urllib.parse.urlsplit(uri)
    except ValueError:
        return ""
    if parts.scheme.endswith("notebook-cell") and not parts.netloc:
        uri = urllib.parse.urlunsplit(("file", "", parts.path, "", ""))
    elif parts.scheme != "file":
        return ""
    return to_fs_path(uri) or ""
