"""The paths that a URI names: the file itself, or the one that a view of it shows."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

_DRIVE = re.compile(r"^/([A-Za-z])[:|]")


def file_of(uri: str) -> Path | None:
    """The path of a document that is a file; None for any other."""
    try:
        parts = urlsplit(uri)
        if parts.scheme != "file":
            return None
        return Path(os.path.normpath(_file_path(parts.netloc, unquote(parts.path))))
    except ValueError:
        return None


def paths_of(uri: str) -> Iterator[tuple[Path, bool]]:
    """Each path by which a document is to be judged, and whether it is a file's own; none for what has no name.

    `git:`, `vscode-notebook-cell:` and the like show what lies in a file; git's has the path in its query, too.
    """
    file = file_of(uri)
    if file is not None:
        yield file, True
        return
    try:
        parts = urlsplit(uri)
        path, query = unquote(parts.path), unquote(parts.query)
    except ValueError:
        return
    if parts.scheme in ("", "file") or not path:
        return
    if parts.scheme != "untitled" or path.startswith("/"):
        yield _other(path), False
    if query.startswith("{"):
        try:
            named = json.loads(query)
        except (ValueError, RecursionError):
            return
        named = named.get("path") if isinstance(named, dict) else None
        if isinstance(named, str) and named:
            yield _other(named), False


def _other(path: str) -> Path:
    return Path(os.path.normpath(_DRIVE.sub(r"\1:", path) if os.name == "nt" else PurePosixPath(path)))


def _file_path(host: str, path: str) -> str:
    """As urllib's url2pathname, whose import brings http with it: 10 ms of the server's start."""
    if os.name == "nt":
        return f"//{host}{path}" if host else _DRIVE.sub(r"\1:", path)
    return path
