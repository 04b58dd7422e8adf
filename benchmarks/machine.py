"""Describes the machine of a measurement: cores, load, versions. Knows no figures."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import psutil

_LOOK_S = 0.5
_BUSY = 0.1
"""Share of all cores that other programs may use before figures become unreliable."""


def describe(llama_server: Path | None = None) -> str:
    """One line for the top of a report, with a warning if the machine is busy."""
    share = psutil.cpu_percent(_LOOK_S) / 100
    parts = [
        f"{_cpu()}, {os.cpu_count()} cores, {share:.0%} in use before",
        f"Python {platform.python_version()}",
        *(f"{name} {metadata.version(name)}" for name in ("torch", "transformers")),
    ]
    if llama_server is not None:
        parts.append(f"llama.cpp {_llama_version(llama_server)}")
    line = "; ".join(parts)
    return line if share < _BUSY else f"{line}\nthis machine is busy: the figures are unreliable"


def announce(llama_server: Path | None = None) -> None:
    """Print it to standard error, so that it accompanies figures in any format."""
    print(describe(llama_server), file=sys.stderr)


def _cpu() -> str:
    try:
        found = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    except OSError:
        found = None
    return found[1] if found else platform.processor() or platform.machine()


def _llama_version(binary: Path) -> str:
    said = subprocess.run([binary, "--version"], capture_output=True, text=True, check=False)
    found = re.search(r"version: (\S+).*?commit (\w+)|version: (.+)", said.stdout + said.stderr)
    return " ".join(part for part in found.groups() if part) if found else "of unknown version"
