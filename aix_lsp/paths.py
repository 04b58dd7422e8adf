"""Knows where the program's files are: sockets, caches, logs, settings, state. Knows nothing of their content.

`AIX_LSP_HOME` moves all of them, so that tests and several versions can coexist.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import sys
import tempfile
from pathlib import Path
from typing import Literal

_APP = "aix-lsp"

# sockaddr_un.sun_path has 108 bytes on Linux and 104 on macOS, including the terminating null.
_SOCKET_PATH_LIMIT = 100

_UNWRITABLE = "{} cannot be used ({}); set AIX_LSP_HOME to a folder that you can write."


class UnsafeDirectory(OSError):
    """The directory for sockets belongs to somebody else, so it cannot be trusted."""


class UnwritableDirectory(OSError):
    """One of the program's directories cannot be created or written."""


def home() -> Path | None:
    """The folder that AIX_LSP_HOME names, or None if it is not set.

    A relative one is relative to the user's home folder: the current one may be any project that is open.
    """
    value = os.environ.get("AIX_LSP_HOME", "")
    return Path.home() / Path(value).expanduser() if value else None


def folder_named(value: str, base: Path | None = None) -> Path | None:
    """The folder that a setting or flag names; None for other values, such as a model's id on the hub.

    A folder is absolute, or begins with `~`, or begins with `.` and is relative to `base`, the folder of the file that
    names it. So `acme/coder` is never a folder: the author of the project that is open could have created it. Raises
    ValueError, which says what the value must be, for a relative folder without `base`.
    """
    if value.startswith("~"):
        try:
            return Path(value).expanduser()
        except RuntimeError:
            raise ValueError("in the home folder of an existing user") from None
    path = Path(value)
    if path.is_absolute():
        return path
    if not value.startswith("."):
        return None
    if base is None:
        raise ValueError(
            "an absolute folder, or one that begins with ~, since no settings file defines what it is relative to"
        )
    return Path(os.path.normpath(base / path))


def config_dir() -> Path:
    """The folder of `config.toml`. It is not created."""
    return _folder("config")


def cache_dir() -> Path:
    """The folder for files that can be recreated; created if missing."""
    return _private(_folder("cache"))


def state_dir() -> Path:
    """The folder for data that outlive a session, such as statistics; created if missing."""
    return _private(_folder("state"))


def log_dir() -> Path:
    """The folder for log files; created if missing."""
    return _private(_folder("log"))


def _folder(kind: Literal["config", "cache", "state", "log"]) -> Path:
    """The folder for files of a kind: in AIX_LSP_HOME, or where the system keeps them."""
    base = home()
    if base is not None:
        return base / kind
    import platformdirs

    return Path(getattr(platformdirs, f"user_{kind}_dir")(_APP, appauthor=False))


def runtime_dir() -> Path:
    """The folder for sockets, locks and tokens of running processes: mode 0700, and owned by this user.

    Raises UnsafeDirectory if the directory in its place belongs to another user.
    """
    base = home()
    if base is not None:
        return _private(base / "run")
    session = _session_runtime_dir()
    return _private(session / _APP) if session is not None else _temporary_runtime_dir()


def socket_path(name: str) -> Path:
    """A path for a Unix socket called `name`, short enough for the operating system.

    It is in `runtime_dir()`; if that path is too long, it is in a per-user folder under the system's temporary one,
    with a digest of the original folder in its name, so that two homes never share a socket.
    """
    wanted = runtime_dir() / name
    if len(os.fsencode(wanted)) <= _SOCKET_PATH_LIMIT:
        return wanted
    digest = hashlib.sha256(os.fsencode(wanted.parent)).hexdigest()[:10]
    return _temporary_runtime_dir() / f"{digest}-{name}"


def _session_runtime_dir() -> Path | None:
    """The login session's folder for sockets, if there is one and it is ours."""
    if sys.platform == "win32":
        from platformdirs import user_runtime_path

        return user_runtime_path(appauthor=False)
    candidates = [os.environ.get("XDG_RUNTIME_DIR", ""), f"/run/user/{os.getuid()}"]
    return next((Path(path) for path in candidates if path and _is_ours(Path(path))), None)


def _temporary_runtime_dir() -> Path:
    if sys.platform == "win32":
        return _private(Path(tempfile.gettempdir()) / _APP)
    name = f"{_APP}-{os.getuid()}"
    preferred = Path(tempfile.gettempdir())
    # TMPDIR may be a long path, too; /tmp is short on every Unix.
    short = len(os.fsencode(preferred / name)) <= _SOCKET_PATH_LIMIT - 50
    return _private((preferred if short else Path("/tmp")) / name)


def _private(path: Path) -> Path:
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise UnwritableDirectory(_UNWRITABLE.format(path, error.strerror or error)) from None
    if not os.access(path, os.W_OK | os.X_OK):
        raise UnwritableDirectory(_UNWRITABLE.format(path, "it is not writable"))
    if sys.platform == "win32":
        return path
    # Another user's link may lead to our folder today and to theirs tomorrow; root needs no such trick.
    if path.lstat().st_uid not in (0, os.getuid()) or not _is_ours(path):
        raise UnsafeDirectory(f"{path} belongs to another user; set AIX_LSP_HOME to a folder of your own.")
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        path.chmod(0o700)
    if mode & 0o022:
        _remove_planted(path)
    return path


def _remove_planted(folder: Path) -> None:
    """Delete what other users have put into a folder that they could write: a token they know, a database, a link."""
    for place, folders, names in os.walk(folder, topdown=False):
        for name in (*names, *folders):
            entry = Path(place, name)
            if entry.lstat().st_uid == os.getuid():
                continue
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink(missing_ok=True)


def is_anyones(file: Path) -> str:
    """Why another user of this machine may control a file's content, and how to fix it; empty if it is safe or missing.

    Root may use other users' files, as in containers with mounted folders.
    """
    if sys.platform == "win32":
        return ""
    try:
        infos = {path: path.stat() for path in (file, file.parent)}
    except (OSError, ValueError):
        return ""
    for path, info in infos.items():
        if info.st_mode & stat.S_IWOTH and not (path == file.parent and info.st_mode & stat.S_ISVTX):
            return f"can be changed by every user of this machine; run chmod o-w {path}"
        if info.st_uid not in (0, os.getuid()) and os.getuid() != 0:
            return f"belongs to another user, as does what it says; make {path} your own"
    return ""


def _is_ours(path: Path) -> bool:
    try:
        info = path.stat()
    except OSError:
        return False
    return stat.S_ISDIR(info.st_mode) and info.st_uid == os.getuid()
