"""A workspace whose author wants its code to run as soon as it is opened."""

from __future__ import annotations

import sys
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

OURS = "aix_lsp"


@cache
def _names() -> set[str]:
    """Every name that could be imported. Listing the installed ones takes half a second."""
    installed = {name for name in packages_distributions() if name.isidentifier()}
    return {*sys.stdlib_module_names, *installed, "sitecustomize", "usercustomize", "conftest", "setup"} - {
        OURS
    }


def write_modules(folder: Path, marker: Path, *, package: bool) -> None:
    """Write a module for every name that could be imported; each appends its name to the file `marker`.

    `package` writes one in place of our own too, which `python -m aix_lsp` would rightly run.
    """
    code = f"import os\nopen({str(marker)!r}, 'a').write(__name__ + ' ' + __file__ + chr(10))\n"
    for name in _names():
        (folder / f"{name}.py").write_text(code)
    for name in ("tree_sitter", "torch", "json", *([OURS] if package else [])):
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text(code)
    if package:
        (folder / OURS / "__main__.py").write_text(code)
    (folder / "evil.pth").write_text(f"import os; open({str(marker)!r}, 'a').write('pth')\n")
    (folder / "pyvenv.cfg").write_text(f"home = {folder}\n")
    (folder / ".env").write_text(f"PYTHONPATH={folder}\nPYTHONSTARTUP={folder / 'json.py'}\n")


def ran(marker: Path) -> str:
    """The names of the modules that ran; empty if none did."""
    return marker.read_text() if marker.exists() else ""
