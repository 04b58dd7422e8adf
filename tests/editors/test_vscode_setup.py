"""The VS Code extension before it is set up, and in an untrusted workspace: the real workbench."""

from __future__ import annotations

import json
import sys
import zipfile
from pathlib import Path

import pytest

from tests.editors import workbench
from tests.editors.server_wheel import LENT, build, path_without_server
from tests.editors.workbench import Workbench

pytestmark = [pytest.mark.slow_editor, pytest.mark.timeout(500)]

SOURCE = "def add(a, b):\n    return a + b\n\n\ndef subtract(a, b):\n    return"


@pytest.fixture(autouse=True)
def here() -> None:
    if missing := workbench.missing():
        pytest.skip(missing)


def test_offers_to_install_and_installs(
    tmp_path: Path, fresh_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = build(tmp_path / "made")
    monkeypatch.chdir(tmp_path)  # nothing is imported from the folder that the server is started in
    settings = {"aix.server.command": [], "aix.server.package": str(wheel), "aix.server.environment": {}}
    window = Workbench(
        tmp_path,
        fresh_home,
        "edited.py",
        SOURCE,
        settings,
        variables=LENT | {"PATH": path_without_server(), "AIX_LSP_HOME": str(fresh_home)},
    )
    try:
        window.do("click", selector=".notification-toast .monaco-button >> text=/^Install$/")
        toasts = ".notification-toast"
        window.wait(
            lambda: any(
                "environment" in text or "installing" in text for text in window.do("texts", selector=toasts)
            ),
            "progress",
        )
        window.wait(lambda: "embedded" in window.do("status"), "the installed server with its model", 300)
        assert list(tmp_path.glob("user/**/aix-lsp.aix-lsp/venv/bin/aix-lsp")), "an environment of its own"
    finally:
        window.close()


def test_untrusted_workspace_chooses_no_program(tmp_path: Path, engine_home: Path) -> None:
    ran = tmp_path / "ran"
    evil = tmp_path / "evil"
    evil.write_text(f"#!/bin/sh\ntouch {ran}\n")
    evil.chmod(0o755)
    window = Workbench(
        tmp_path,
        engine_home,
        "edited.py",
        SOURCE,
        {"security.workspace.trust.startupPrompt": "never"},
        workspace_settings={"aix.server.command": [str(evil)]},
    )
    try:
        window.wait(lambda: "embedded" in window.do("status"), "the user's server", 240)
        assert any("Restricted Mode" in text for _, text in window.do("statusbar"))
        assert not ran.exists()
    finally:
        window.close()


def test_finds_the_server_of_the_selected_python_environment(tmp_path: Path, engine_home: Path) -> None:
    """The Python extension is a stub of two lines that answers like the real one's API."""
    programs = tmp_path / "environment" / "bin"
    programs.mkdir(parents=True)
    server = programs / "aix-lsp"
    server.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m aix_lsp "$@"\n')
    server.chmod(0o755)
    path = json.dumps(str(programs / "python"))
    manifest: dict[str, object] = {
        "name": "python",
        "publisher": "ms-python",
        "version": "2026.1.0",
        "main": "./main.js",
    }
    manifest |= {"engines": {"vscode": "^1.101.0"}, "activationEvents": []}
    python = tmp_path / "python.vsix"
    with zipfile.ZipFile(python, "w") as package:
        package.writestr("extension/package.json", json.dumps(manifest))
        active = f"getActiveEnvironmentPath: () => ({{ path: {path} }})"
        package.writestr(
            "extension/main.js", f"exports.activate = () => ({{ environments: {{ {active} }} }});\n"
        )
    window = Workbench(
        tmp_path,
        engine_home,
        "edited.py",
        SOURCE,
        {"aix.server.command": []},
        variables={"PATH": path_without_server()},
        extensions=[python],
    )
    try:
        window.wait(lambda: "embedded" in window.do("status"), "the server of that environment", 240)
    finally:
        window.close()
