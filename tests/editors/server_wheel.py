"""A wheel of the server for an editor's own installation, which borrows the libraries of this environment.

It borrows them by a .pth file: PYTHONPATH is not heeded everywhere (VS Code's extension removes it).
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

from tests.editors.terminal import ROOT

LENT = {"PIP_NO_DEPS": "1"}
"""A real environment and a real pip; only the dependencies come from here, because torch alone takes gigabytes."""


def build(folder: Path) -> Path:
    """Build the wheel of this clone."""
    quiet = ["--quiet", "--no-deps", "--wheel-dir", str(folder)]
    subprocess.run([sys.executable, "-m", "pip", "wheel", *quiet, str(ROOT)], check=True, timeout=120)
    [wheel] = folder.glob("*.whl")
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr("lent.pth", sysconfig.get_paths()["purelib"] + "\n")
    return wheel


def path_without_server() -> str:
    """PATH without the folders that hold an aix-lsp."""
    folders = os.environ["PATH"].split(os.pathsep)
    return os.pathsep.join(folder for folder in folders if not (Path(folder) / "aix-lsp").exists())
