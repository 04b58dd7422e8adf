"""The one place that starts child processes, none of which runs, finds or inherits anything from the open project.

A child's interpreter is told not to look for modules where it is started (`-P`), runs in a private folder, and
inherits no variable that can make an interpreter run code.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aix_lsp
from aix_lsp import paths

if TYPE_CHECKING:
    from asyncio.subprocess import Process

log = logging.getLogger(__name__)

ROOT = Path(aix_lsp.__file__).resolve().parent.parent
"""The folder in which children find this very package, installed or not."""

_KEPT = frozenset(
    {
        "PYTHONCOERCECLOCALE",
        "PYTHONDONTWRITEBYTECODE",
        "PYTHONFAULTHANDLER",
        "PYTHONHASHSEED",
        "PYTHONIOENCODING",
        "PYTHONMALLOC",
        "PYTHONNOUSERSITE",
        "PYTHONUNBUFFERED",
        "PYTHONUTF8",
    }
)
"""The interpreter's variables that cannot lead to code. `PYTHONWARNINGS` imports modules, `PYTHONPYCACHEPREFIX` says
where compiled ones are, and so on: variables not listed here are not passed on."""

_FOLDERS = frozenset({"PYTHONHOME", "PYTHONUSERBASE"})
"""An interpreter that needs these does not start without them, so they are passed on unless they point into the current
folder."""

_LISTS = frozenset(
    (
        "PATH",
        "LD_LIBRARY_PATH",
        "LD_PRELOAD",
        "LD_AUDIT",
        "DYLD_LIBRARY_PATH",
        "DYLD_INSERT_LIBRARIES",
        "DYLD_FRAMEWORK_PATH",
    )
)
"""Lists of folders and libraries, from which entries are removed that are relative or in the current folder."""
_FILES = frozenset(
    (
        "TMPDIR",
        "TEMP",
        "TMP",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "REQUESTS_CA_BUNDLE",
        "CURL_CA_BUNDLE",
        "CC",
        "CXX",
    )
)
"""Files and folders that would be looked for in the current folder if they were relative."""
_LONGEST_VALUE = 4096
"""Characters; a longer value is not a file's path."""
_PATIENCE_S, _TRIES = 0.5, 3
"""How long one entry of a list may take to be looked at, and how many that take longer are waited for."""
_REAL: dict[str, str] = {}
"""What is behind links, by how folders are spelt."""
_WHERE_WE_ARE = frozenset(("PWD", "OLDPWD"))
_HOMES = ("USERPROFILE", "HOME") if sys.platform == "win32" else ("HOME", "USERPROFILE")
"""The variables in which programs look for the user's home folder, in order of precedence."""
_QUIET: int = getattr(subprocess, "CREATE_NO_WINDOW", 0)
# On Windows, these keep a process alive when the terminal or editor that started it ends.
_DETACHED: int = getattr(subprocess, "DETACHED_PROCESS", 0) | getattr(
    subprocess, "CREATE_NEW_PROCESS_GROUP", 0
)


def environment(inherited: Mapping[str, str] | None = None, here: str | None = None) -> dict[str, str]:
    """The environment of a child process. `inherited` is by default ours, `here` the current folder."""
    inherited = os.environ if inherited is None else inherited
    here = _current_folder() if here is None else here
    if here:
        _follow_links(entry for value in inherited.values() for entry in value.split(os.pathsep))
    home = _home_of_account() or next((inherited[name] for name in _HOMES if inherited.get(name)), "")
    project = "" if here and home and Path(home).resolve().is_relative_to(here) else here
    found = {
        name: _elsewhere_only(value, project) if name in _LISTS else value
        for name, value in inherited.items()
        if _harmless(name, value, here) and (name in _LISTS or not _leads_into(name, value, project))
    }
    found |= {name: home for name in _HOMES if name in inherited and name not in found}
    found |= {"PYTHONPATH": _module_path(inherited.get("PYTHONPATH", ""), here), "PYTHONSAFEPATH": "1"}
    if sys.platform == "win32":
        found["NoDefaultCurrentDirectoryInExePath"] = "1"  # otherwise it comes before the PATH
    return {name: value for name, value in found.items() if value or name not in _LISTS - {"PATH"}}


def distrust(folder: Path) -> None:
    """Take out of our environment, and so out of our children's, what leads into a folder of the workspace.

    The one that we were started in has been looked at; an editor may be started elsewhere, and have a project's
    environment all the same.
    """
    _follow_links([str(folder)])
    kept = environment(here=_REAL.get(str(folder), str(folder)))
    for name, value in tuple(os.environ.items()):
        if kept.get(name) == value or name.startswith("PYTHON"):
            continue
        if name in kept:
            log.info("%s is %s now, without what leads into the workspace", name, kept[name])
            os.environ[name] = kept[name]
        else:
            log.warning("%s=%s is ignored, for it leads into the workspace", name, value)
            del os.environ[name]


def _for_child() -> dict[str, str]:
    """The environment of a child, without the variables that only this process needs."""
    return {name: value for name, value in environment().items() if name != "AIX_LSP_TOKEN"}


def python(module: str, *arguments: str) -> list[str]:
    """The command line that runs one of our modules."""
    return [sys.executable, "-P", "-m", module, *arguments]


def start(module: str, *arguments: str, detached: bool = False, **pipes: Any) -> subprocess.Popen[Any]:
    """Start one of our modules in a new process. Blocks for some milliseconds.

    With `detached`, it outlives this process, its terminal and its editor. Raises OSError if the process, or the
    private folder that it runs in, cannot be created.
    """
    return subprocess.Popen(
        python(module, *arguments),
        cwd=paths.runtime_dir(),
        env=_for_child(),
        creationflags=_DETACHED if detached else _QUIET,
        **pipes,
    )


async def start_async(module: str, *arguments: str, limit: int) -> Process:
    """Start one of our modules with pipes that the event loop reads, in lines of at most `limit` bytes.

    Raises OSError for the same reasons as `start`.
    """
    import asyncio  # not needed by commands, which import this module too

    return await asyncio.create_subprocess_exec(
        *python(module, *arguments),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        limit=limit,
        cwd=paths.runtime_dir(),
        env=_for_child(),
        creationflags=_QUIET,
    )


def run_code(code: str, timeout_s: float) -> subprocess.CompletedProcess[str]:
    """Run some lines of Python and wait until they end. Raises subprocess.TimeoutExpired or OSError."""
    return subprocess.run(
        [sys.executable, "-P", "-c", code],
        cwd=paths.runtime_dir(),
        env=_for_child(),
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
        creationflags=_QUIET,
    )


def _harmless(name: str, value: str, here: str) -> bool:
    if name.startswith("XDG_") and not name.endswith("_DIRS"):
        # By the specification, relative ones are ignored; platformdirs would find settings in the open project.
        return not name.endswith(("_HOME", "_DIR")) or Path(value).is_absolute()
    if not name.upper().startswith("PYTHON"):
        return True
    return _elsewhere(value, here) if name in _FOLDERS else name in _KEPT


def _module_path(inherited: str, here: str) -> str:
    """The package's own folder, and folders of installed packages with which we may have been started."""
    installed = [
        entry
        for entry in inherited.split(os.pathsep)
        if Path(entry).name in ("site-packages", "dist-packages") and _elsewhere(entry, here)
    ]
    return os.pathsep.join(dict.fromkeys([str(ROOT), *installed]))


def _elsewhere(folder: str, here: str) -> bool:
    """Whether a folder's path is absolute, and not inside the current folder."""
    if not Path(folder).is_absolute():
        return False
    return not (here and Path(_REAL.get(folder, os.path.normpath(folder))).is_relative_to(here))


def _follow_links(folders: Iterable[str]) -> None:
    """Find out what is behind links. What lies on a file system that hangs counts as it is spelt."""
    left = [folder for folder in dict.fromkeys(folders) if Path(folder).is_absolute() and folder not in _REAL]

    def resolve(some: Sequence[str]) -> None:
        for folder in some:
            with suppress(OSError, ValueError):
                _REAL[folder] = os.path.realpath(folder)

    for _ in range(_TRIES):
        if not left:
            return
        thread = threading.Thread(target=resolve, args=(left,), name="links", daemon=True)
        thread.start()
        thread.join(_PATIENCE_S)
        if not thread.is_alive():
            return
        left = [folder for folder in left if folder not in _REAL]
        for hanging in left[:1]:
            _REAL[hanging] = os.path.normpath(hanging)


def _elsewhere_only(value: str, project: str) -> str:
    """A list of folders without those in the project and without relative ones."""
    return os.pathsep.join(entry for entry in value.split(os.pathsep) if _elsewhere(entry, project))


def _leads_into(name: str, value: str, project: str) -> bool:
    """Whether a variable names something in the project, where its author could control it: our folders, the temporary
    one, TLS authorities, git's settings, compilers, the home folder, anything."""
    if name in _WHERE_WE_ARE:
        return False
    if name in _FILES and os.sep in value and not Path(value).is_absolute():
        return True
    entries = value.split(os.pathsep) if project and len(value) < _LONGEST_VALUE else ()
    return any(Path(entry).is_absolute() and not _elsewhere(entry, project) for entry in entries)


@lru_cache(maxsize=1)
def _home_of_account() -> str:
    """The home folder in the system's list of users, whatever the environment says; "" if unknown."""
    try:
        import pwd
    except ImportError:
        return ""  # Windows
    try:
        return pwd.getpwuid(os.getuid()).pw_dir
    except KeyError:
        return ""  # a container whose user has no name


def _current_folder() -> str:
    try:
        here = Path.cwd().resolve()
    except OSError:
        return ""  # it has been deleted
    return "" if here == here.parent else str(here)
