"""Runs the command line as a user does; and a file to complete."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import aix_lsp

ROOT = Path(aix_lsp.__file__).parent.parent
PROGRAM = [sys.executable, "-m", "aix_lsp"]
HEAD = "def read_lines(path):\n    with open(path) as file:\n        return [line.strip() for line in "
SOURCE = f"{HEAD}]\n\n\nprint(read_lines('a.txt'))\n"
CURSOR = "3:42"


def run(
    home: Path, *arguments: str, stdin: str | None = None, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run it with its files under `home`, in another folder, where variables that name the checkout are honoured."""
    work = cwd or home / "work"
    work.mkdir(exist_ok=True)
    return subprocess.run(
        [*PROGRAM, *arguments],
        capture_output=True,
        text=True,
        input=stdin,
        env={**os.environ, "AIX_LSP_HOME": str(home), "HOME": str(home), "PYTHONPATH": str(ROOT)},
        cwd=work,
        check=False,
        timeout=150,
    )
