"""Drives a terminal program in its own tmux: sends keys, reads the screen. Asserts nothing."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


def found() -> bool:
    return shutil.which("tmux") is not None


def environment(home: Path, engine_home: Path) -> dict[str, str]:
    """Environment variables that keep a program's files under `home`, and the server's under `engine_home`."""
    folders = {"XDG_CONFIG_HOME": "config", "XDG_DATA_HOME": "data", "XDG_STATE_HOME": "state"}
    folders |= {"XDG_CACHE_HOME": "cache", "XDG_RUNTIME_DIR": "run", "HOME": "home"}
    for name in folders.values():
        (home / name).mkdir(parents=True, exist_ok=True)
    (home / "run").chmod(0o700)
    return {key: str(home / name) for key, name in folders.items()} | {
        "AIX_LSP_HOME": str(engine_home),
        "PYTHONPATH": str(ROOT),
        "TERM": "xterm-256color",
        "LC_ALL": "C.UTF-8",
    }


class Terminal:
    """One program in a terminal of `columns` by `rows`."""

    def __init__(
        self,
        argv: list[str],
        variables: Mapping[str, str],
        cwd: Path,
        *,
        columns: int = 100,
        rows: int = 30,
    ) -> None:
        self.socket = f"aix-{uuid.uuid4().hex[:8]}"
        settings = [f"{name}={value}" for name, value in variables.items()]
        command = ["new-session", "-d", "-x", str(columns), "-y", str(rows), "-c", str(cwd)]
        self._tmux("-f", "/dev/null", *command, "env", *settings, *argv)
        self._tmux("set-option", "-g", "status", "off")
        self._tmux("set-option", "-sg", "escape-time", "0")

    def _tmux(self, *args: str) -> str:
        environment = {key: value for key, value in os.environ.items() if key != "TMUX"}
        done = subprocess.run(
            ["tmux", "-L", self.socket, *args], capture_output=True, text=True, timeout=20, env=environment
        )
        if done.returncode:
            raise RuntimeError(f"tmux {args[0]}: {done.stderr.strip()}")
        return done.stdout

    def keys(self, *names: str) -> None:
        """Press keys by tmux's names, such as "Escape", "C-x", "Tab"."""
        self._tmux("send-keys", *names)

    def type(self, text: str) -> None:
        """Type a string literally, one key per character."""
        for char in text:
            if char == "\n":
                self.keys("Enter")
            else:
                self._tmux("send-keys", "-l", "--", "\\;" if char == ";" else char)

    def screen(self) -> str:
        return self._tmux("capture-pane", "-p")

    def capture(self) -> str:
        """The screen with its colours, as escape sequences: for the README's pictures."""
        return self._tmux("capture-pane", "-e", "-p")

    def wait(self, condition: Callable[[], Any], what: str, within: float = 60) -> Any:
        """Poll until `condition()` is true; returns its value. Fails with the screen."""
        end = time.monotonic() + within
        while not (value := condition()):
            if time.monotonic() > end:
                raise AssertionError(f"no {what} within {within} s\n{self.screen()}")
            time.sleep(0.05)
        return value

    def wait_screen(self, text: str, within: float = 60) -> None:
        self.wait(lambda: text in self.screen(), f"{text!r} on the screen", within)

    def close(self, within: float = 60) -> None:
        """Close the program's terminal, which ends it; checking for anything left behind is up to the caller.

        A program that does not end is killed. Raises AssertionError then.
        """
        try:
            panes = self._tmux("list-panes", "-a", "-F", "#{pane_pid}")
            self._tmux("kill-server")
        except RuntimeError:
            return  # it has already ended, and a terminal closes with its last program
        end = time.monotonic() + within
        for pid in map(int, panes.split()):
            with contextlib.suppress(ProcessLookupError):
                while time.monotonic() < end:
                    os.kill(pid, 0)
                    time.sleep(0.02)
                os.kill(pid, signal.SIGKILL)
                raise AssertionError(f"the program runs on {within} s after its terminal has gone")
