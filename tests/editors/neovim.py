"""Drives a real Neovim with its own home and the real server. Asserts nothing."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pynvim

ROOT = Path(__file__).resolve().parents[2]

_CONFIG = """
local home, python = ...
vim.lsp.config('aix', {
  cmd = { python, '-m', 'aix_lsp', '--stdio' },
  cmd_env = { AIX_LSP_HOME = home, PYTHONPATH = vim.env.AIX_TEST_ROOT },
  filetypes = { 'python' },
  -- What is tested is what comes, not how soon, on however busy a machine.
  init_options = { deadlineMs = 15000, confidence = 0 },
  root_markers = { 'pyproject.toml' },
})
vim.lsp.enable('aix')
aix_state = ''
vim.lsp.handlers['aix/status'] = function(_, status) aix_state = status.state end
"""


def find(minimum: tuple[int, int], maximum: tuple[int, int] = (99, 0)) -> str | None:
    """A Neovim whose version lies in [minimum, maximum), or None."""
    candidates = (
        os.environ.get("AIX_LSP_NVIM"),
        str(ROOT / ".cache" / "nvim" / "nvim"),
        shutil.which("nvim", path=str(Path(sys.executable).parent)),
        shutil.which("nvim"),
        str(ROOT / ".cache" / "nvim10" / "nvim"),
    )
    for candidate in candidates:
        if candidate and Path(candidate).exists() and minimum <= version(candidate) < maximum:
            return candidate
    return None


@cache
def version(executable: str) -> tuple[int, int]:
    shown = subprocess.run([executable, "--version"], capture_output=True, text=True, timeout=60, check=False)
    found = re.match(r"NVIM v(\d+)\.(\d+)", shown.stdout)
    return (int(found[1]), int(found[2])) if found else (0, 0)


class Neovim:
    """One editor: keys go in, the screen and the buffer come out."""

    def __init__(self, executable: str, home: Path, engine_home: Path, config: str = _CONFIG) -> None:
        folders = {name: home / name for name in ("config", "data", "state", "cache", "run")}
        for folder in folders.values():
            folder.mkdir(parents=True, exist_ok=True)
        folders["run"].chmod(0o700)
        variables = {
            "HOME": home,
            "XDG_CONFIG_HOME": folders["config"],
            "XDG_DATA_HOME": folders["data"],
            "XDG_STATE_HOME": folders["state"],
            "XDG_CACHE_HOME": folders["cache"],
            "XDG_RUNTIME_DIR": folders["run"],
            "AIX_LSP_HOME": engine_home,
            "AIX_TEST_ROOT": ROOT,
        }
        settings = [f"{name}={value}" for name, value in variables.items()]
        argv = ["env", *settings, executable, "--embed", "--headless", "--clean", "-n"]
        self.home = home
        self.api = pynvim.attach("child", argv=argv)
        self.api.ui_attach(80, 24, rgb=True)
        self.api.exec_lua(config, str(engine_home), sys.executable)

    def open(self, name: str, text: str) -> Path:
        """Write a file, open it, and wait for the server to have it."""
        path = self.home / name
        path.write_text(text, encoding="utf-8")
        self.api.command(f"edit {path}")
        self.wait(lambda: self.lua("return #vim.lsp.get_clients({ name = 'aix' }) > 0"), "a client")
        self.wait(lambda: self.lua("return vim.lsp.get_clients()[1].initialized == true"), "initialize")
        return path

    def engine_ready(self) -> bool:
        """Whether the server has reported that its engine is ready."""
        return bool(self.lua("return aix_state == 'ready'"))

    def keys(self, keys: str) -> None:
        """Press keys, in Neovim's notation."""
        left = keys
        while left:
            left = left[self.api.input(left) :]

    def cursor(self, line: int, column: int) -> None:
        """Go to a line (from 1) and byte column (from 0) in normal mode."""
        self.api.current.window.cursor = (line, column)

    def lua(self, code: str, *args: Any) -> Any:
        return self.api.exec_lua(code, *args)

    def buffer(self) -> str:
        return "\n".join(self.api.current.buffer[:])

    def screen(self) -> list[str]:
        """What a user would see: the 24 rows of the grid."""
        rows = self.lua(
            """
            vim.cmd.redraw()
            local rows = {}
            for row = 1, vim.o.lines do
              local cells = {}
              for column = 1, vim.o.columns do
                cells[column] = vim.fn.screenstring(row, column)
              end
              rows[row] = table.concat(cells)
            end
            return rows
            """
        )
        return [row.rstrip() for row in rows]

    def wait(self, condition: Callable[[], Any], what: str, within: float = 60) -> Any:
        """Poll until `condition()` is true; returns its value. Fails with the screen and the log."""
        end = time.monotonic() + within
        while not (value := condition()):
            if time.monotonic() > end:
                log = self.home / "state" / "nvim" / "lsp.log"
                tail = log.read_text()[-2000:] if log.exists() else ""
                screen = "\n".join(self.screen())
                raise AssertionError(f"no {what} within {within} s\n{screen}\n{tail}")
            time.sleep(0.02)
        return value

    def close(self) -> None:
        try:
            self.api.command("qall!", async_=True)
        except OSError:
            pass
        self.api.close()
