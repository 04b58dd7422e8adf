"""A wheel of the server for an editor's own installation, and an environment that lends it its libraries."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

from tests.editors.terminal import ROOT

LENT = {"PIP_NO_DEPS": "1", "PYTHONPATH": sysconfig.get_paths()["purelib"]}
"""A real environment, a real pip; only what aix-lsp needs is lent by this one, for torch alone is gigabytes."""


def build(folder: Path) -> Path:
    """The wheel of this clone."""
    quiet = ["--quiet", "--no-deps", "--wheel-dir", str(folder)]
    subprocess.run([sys.executable, "-m", "pip", "wheel", *quiet, str(ROOT)], check=True, timeout=120)
    [wheel] = folder.glob("*.whl")
    return wheel


def path_without_server() -> str:
    """PATH without the folders that hold an aix-lsp."""
    folders = os.environ["PATH"].split(os.pathsep)
    return os.pathsep.join(folder for folder in folders if not (Path(folder) / "aix-lsp").exists())
