"""The command line, run as a user runs it, and a file to complete."""

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


def run(home: Path, *arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PROGRAM, *arguments],
        capture_output=True,
        text=True,
        input=stdin,
        # Where it is started in the user's own folder, it believes what the environment names there.
        env={**os.environ, "AIX_LSP_HOME": str(home), "HOME": str(home), "PYTHONPATH": str(ROOT)},
        cwd=home,
        check=False,
        timeout=150,
    )
