"""Parses document URIs: finds the file on this machine that a URI refers to, or why there is none. Opens no documents.

The one place that turns a URI into a path. Everything that depends on a path (which folder contains a document, which
ignore file applies, what the model is shown) starts here, so that no two parts of the program can disagree.

Sources: RFC 3986 (appendix B), RFC 8089 (file URIs), VS Code's `Uri` and `NotebookUri`, its git extension's `toGitUri`.
"""

from __future__ import annotations

import base64
import json
import ntpath
import os
import posixpath
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, unquote_to_bytes

_PARTS = re.compile(
    r"(?:([A-Za-z][A-Za-z0-9+.-]+):)?(?://([^/?#]*))?([^?#]*)(?:\?([^#]*))?(?:#(.*))?", re.DOTALL
)
"""RFC 3986's expression; a scheme has at least two characters, so that `C:\\x` is not a URI with the scheme "c"."""
_DRIVE = re.compile(r"\\?([A-Za-z])[:|](?=\\|$)")
_THIS_MACHINE = ("wsl$", "wsl.localhost")
"""Shares that are on this machine: those of the Windows Subsystem for Linux."""
_REVISION = re.compile(r":?[^:]*:(.*[^:])", re.DOTALL)
"""A revision followed by the first part of a path: `HEAD~1:src`, `:0:src`."""
_DEEPEST_MODULE = 32
_CELL_SCHEME = re.compile(r"s([A-Za-z0-9+/]+=*)$")
"""The end of a notebook cell's fragment: "s" and the notebook's own scheme in Base64."""


@dataclass(frozen=True, slots=True)
class DocumentUri:
    """A parsed URI. Either `file` is set or `reason` is not empty."""

    scheme: str
    """In lower case; for a notebook's cell, the notebook's scheme; empty for a bare path."""
    path: PurePosixPath | None
    """The URI's decoded path, without `.` and `..`; patterns can match it even if there is no file. None if the URI has
    no absolute path."""
    file: Path | None
    """Absolute and normalised. The document is this file, a revision of it (`git:`), a cell of it, or will be saved as
    it (`untitled:`); it need not exist."""
    reason: str = ""
    """Why there is no file on this machine."""


@lru_cache(maxsize=4096)
def parse_uri(uri: str) -> DocumentUri:
    """Parse a document's or folder's URI. Never raises: a malformed URI names no file."""
    scheme, authority, path, query, fragment = _split(uri)
    if scheme.endswith("notebook-cell"):
        scheme = _cell_scheme(fragment) or ("vscode-remote" if authority else "file")
    if scheme == "git":
        path = _git_path(query) or path
    shown = _pattern_path(path)
    if scheme not in ("file", "git", "untitled", ""):
        where = f"{scheme}://{authority}" if authority else f"{scheme}:"
        return DocumentUri(scheme, shown, None, f"{where} is not this machine's file system")
    if scheme == "untitled" and not path.startswith("/"):
        return DocumentUri(scheme, None, None, "the document has not been saved")
    local, reason = local_path(authority, path, windows=os.name == "nt")
    return DocumentUri(scheme, shown, Path(local) if local else None, reason)


def file_path(uri: str) -> Path | None:
    """The file on this machine that a URI names; None if it names none."""
    return parse_uri(uri).file


def local_path(authority: str, path: str, *, windows: bool) -> tuple[str, str]:
    """Convert a file URI's percent-encoded path to an absolute, normalised path of the operating system.

    Returns the path and an empty reason, or an empty path and the reason why there is none.
    """
    host = unquote(authority)
    host = "" if host.lower() == "localhost" else host
    decoded = unquote(path, errors="surrogateescape") if windows else os.fsdecode(unquote_to_bytes(path))
    if "\0" in decoded:
        return "", "the path contains a NUL character"
    if windows:
        return _windows_path(host, decoded)
    if host:
        return "", f"the file is on the machine {host}"
    if not decoded.startswith("/"):
        return "", "the path is not absolute"
    return "/" + posixpath.normpath(decoded).lstrip("/"), ""


def _windows_path(host: str, path: str) -> tuple[str, str]:
    path = path.replace("/", "\\")
    if drive := _DRIVE.match(path):
        root, rest = f"{drive[1].upper()}:\\", path[drive.end() :]
    elif host or path.startswith("\\\\"):
        server, share, *parts = [*([host] if host else []), *path.lstrip("\\").split("\\"), "", ""]
        if not server or not share or ".." in (server, share):
            return "", "the path has no drive and no share"
        if server in (".", "?"):
            return "", "the path is a device"
        if server.lower() not in _THIS_MACHINE:
            # Opening it would send the user's name and a hash of the password to that machine.
            return "", f"the file is on the machine {server}"
        root, rest = f"\\\\{server}\\{share}\\", "\\".join(parts)
    else:
        return "", "the path has no drive and no share"
    rest = ntpath.normpath("\\" + rest.lstrip("\\")).lstrip("\\")
    if ":" in rest:
        return "", "the path names a stream of a file"
    # Windows ignores dots and spaces at a name's end, so that "key.pem." opens "key.pem".
    names = [stripped for name in rest.split("\\") if (stripped := name.rstrip(" ."))]
    return root + "\\".join(names), ""


def _split(uri: str) -> tuple[str, str, str, str, str]:
    """Scheme in lower case, authority, path, query and fragment; nothing is decoded."""
    found = _PARTS.fullmatch(uri)
    assert found is not None, "every string matches"
    scheme, authority, path, query, fragment = (part or "" for part in found.groups())
    return scheme.lower(), authority, path, query, fragment


def _pattern_path(path: str) -> PurePosixPath | None:
    decoded = unquote(path).replace("\0", "\ufffd")
    if os.name == "nt":
        decoded = decoded.replace("\\", "/")
    return PurePosixPath("/" + posixpath.normpath(decoded).lstrip("/")) if decoded.startswith("/") else None


def _cell_scheme(fragment: str) -> str:
    """The notebook's scheme at the end of a cell's fragment; empty if there is none."""
    found = _CELL_SCHEME.search(unquote(fragment))
    try:
        return base64.b64decode(found[1], validate=True).decode("ascii").lower() if found else ""
    except ValueError:
        return ""


def _git_path(query: str) -> str:
    """The path in a git URI's query: the file's own, while the URI's may be invented for the sake of its extension."""
    try:
        path = json.loads(unquote(query)).get("path")
    except (ValueError, AttributeError, RecursionError):
        return ""
    return path.replace("%", "%25") if isinstance(path, str) else ""


def revised_paths(path: PurePosixPath) -> Iterator[PurePosixPath]:
    """The files of a working tree of which a path inside its `.git` may be a revision, in editor plugins' notations.

    `/work/.git/0/src/a.py` (fugitive), `/work/.git/:0:/src/a.py` (diffview), `/work/.git/HEAD:src/a.py` (gitsigns), and
    the same for linked working trees (`.git/worktrees/NAME`) and submodules (`.git/modules/NAME`).
    """
    if ".git" not in path.parts:
        return
    at = path.parts.index(".git")
    top, inside = PurePosixPath(*path.parts[:at]), path.parts[at + 1 :]
    starts = {"worktrees": [2], "modules": [*range(2, min(len(inside), _DEEPEST_MODULE))]}.get(
        "".join(inside[:1]), [0]
    )
    for start in starts:
        rest = inside[start:]
        if not rest:
            continue
        module = inside[1:start] if inside[0] == "modules" else ()
        named = _REVISION.fullmatch(rest[0])
        below = (named[1], *rest[1:]) if named is not None else rest[1:]
        if below:
            yield top.joinpath(*module, *below)


def true_case(path: Path) -> Path:
    """The path with the names as they are on disk if the file system ignores case; otherwise unchanged.

    Patterns distinguish `.ENV` from `.env`, but such a file system opens the same file for both. Names that do not
    exist stay as they are. Reads a directory only if a name in another case also leads to something.
    """
    found = Path(path.anchor)
    for name in path.parts[1:]:
        try:
            if name.swapcase() != name and (found / name.swapcase()).exists():
                name = matching_name(name, [entry.name for entry in found.iterdir()])
        except (OSError, ValueError):
            pass
        found /= name
    return found


def matching_name(name: str, entries: list[str]) -> str:
    """The directory entry that `name` means if case and composition are ignored; `name` itself if there is none."""
    if name in entries:
        return name

    def plain(text: str) -> str:
        return unicodedata.normalize("NFC", text).casefold()

    return next((entry for entry in entries if plain(entry) == plain(name)), name)
