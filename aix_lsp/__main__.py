"""The program's entry point: `aix-lsp`, and `python -m aix_lsp`. Secures the module path before anything is imported.

An editor starts its language servers in the project's folder, and `python -m` puts that folder before the standard
library; `PYTHONPATH` may name it, too. A `json.py` there must not run. So this module imports only what the
interpreter has already loaded: not even `__future__`, which is a file of the standard library.
"""

import os
import sys  # both are already loaded


def close_module_path(path: list[str], environment: dict[str, str], *, safe: bool) -> list[str]:
    """`sys.path` without the entries that depend on where the program was started.

    The entry that the interpreter has put first is removed (unless `safe` says that it has added none), and so are
    relative entries and those of `PYTHONPATH` at or below the current folder. Other entries of `PYTHONPATH` may be
    the only source of some modules, so they are moved to the end, after the standard library and the installed
    packages; the same applies to this package's folder if it is a checkout.
    """
    try:
        here = os.getcwd()
    except OSError:
        here = ""  # the folder has been deleted
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    given = environment.get("PYTHONPATH", "")
    named = {os.path.abspath(entry) for entry in given.split(os.pathsep)} if given else set()
    kept, last = [], []
    for entry in path if safe else path[1:]:
        if not os.path.isabs(entry):
            continue
        if entry not in named:
            kept.append(entry)
        elif entry != package and not _within(entry, here):
            last.append(entry)
    return kept + last + ([] if package in kept else [package])


def _within(path: str, folder: str) -> bool:
    """Whether `path` is the folder or is below it; links are followed."""
    real, top = os.path.realpath(path), os.path.realpath(folder) if folder else ""
    return bool(top) and top != os.path.dirname(top) and (real == top or real.startswith(top + os.sep))


def open_folder(arguments: list[str]) -> str | None:
    """The folder into which environment variables must not point: the current one (None), or none ("") for servers for
    others, which their operator starts in the folder with their data."""
    return "" if arguments[:1] in (["serve"], ["cluster"]) else None


_WARNED_OF = ("AIX_LSP_", "HF_", "HOME", "SSL_", "USERPROFILE", "XDG_")
"""Prefixes of the variables whose removal a user should be told about."""


def main() -> None:
    """The entry point of the program."""
    sys.path[:] = close_module_path(sys.path, dict(os.environ), safe=bool(sys.flags.safe_path))

    from aix_lsp import cli, processes

    kept = processes.environment(here=open_folder(sys.argv[1:]))
    where = "in the folder that aix-lsp was started in, or relative"
    for name, value in sorted(os.environ.items()):
        if kept.get(name) != value and name.startswith(_WARNED_OF):
            _warn(f"aix-lsp: {name}={value} is ignored, for it is {where}\n")
        if name not in kept:
            del os.environ[name]
    os.environ.update(kept)
    cli.main()


def _warn(text: str) -> None:
    """Write to the standard error stream, which an editor may have closed, and which a program without a console
    lacks."""
    try:
        if sys.stderr is not None:
            sys.stderr.write(text)
            sys.stderr.flush()
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 2)
        os.close(nowhere)


if __name__ == "__main__":
    main()
