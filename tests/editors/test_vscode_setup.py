"""The VS Code extension before it is set up, and in a workspace nobody trusts: the real workbench."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.editors import workbench
from tests.editors.terminal import ROOT
from tests.editors.workbench import Workbench

pytestmark = [pytest.mark.slow_editor, pytest.mark.timeout(500)]

SOURCE = "def add(a, b):\n    return a + b\n\n\ndef subtract(a, b):\n    return"


@pytest.fixture(autouse=True)
def here() -> None:
    if missing := workbench.missing():
        pytest.skip(missing)


def test_offers_to_install_and_installs(tmp_path: Path, fresh_home: Path) -> None:
    """A real environment, a real pip; only what aix-lsp needs is lent by this one, for torch alone is gigabytes."""
    lent = {"PIP_NO_DEPS": "1", "PYTHONPATH": sysconfig.get_paths()["purelib"]}
    path = os.pathsep.join(
        folder for folder in os.environ["PATH"].split(os.pathsep) if not (Path(folder) / "aix-lsp").exists()
    )
    made = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--wheel-dir",
        str(tmp_path / "made"),
        str(ROOT),
    ]
    subprocess.run(made, check=True, timeout=120)
    [wheel] = (tmp_path / "made").glob("*.whl")
    settings = {"aix.server.command": [], "aix.server.package": str(wheel), "aix.server.environment": {}}
    window = Workbench(
        tmp_path,
        fresh_home,
        "edited.py",
        SOURCE,
        settings,
        variables=lent | {"PATH": path, "AIX_LSP_HOME": str(fresh_home)},
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
