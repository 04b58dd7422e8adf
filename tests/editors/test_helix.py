"""Helix with editors/helix/languages.toml, the real server and the embedded model: the popup."""

from __future__ import annotations

import os
import shutil
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.editors import terminal
from tests.editors.terminal import ROOT, Terminal

pytestmark = pytest.mark.slow_editor

SOURCE = "def add(a, b):\n    return a + b\n\n\ndef subtract(a, b):\n    return"


@pytest.fixture
def helix(tmp_path: Path, engine_home: Path) -> Iterator[Terminal]:
    fetched = ROOT / ".cache" / "helix" / "hx"
    program = str(fetched) if fetched.exists() else shutil.which("hx")
    if not program or not terminal.found():
        pytest.skip("no Helix or no tmux here: run tests/editors/fetch_debian.sh all")
    variables = terminal.environment(tmp_path, engine_home)
    settings = Path(variables["XDG_CONFIG_HOME"]) / "helix"
    settings.mkdir(parents=True)
    languages = (ROOT / "editors" / "helix" / "languages.toml").read_text()
    (settings / "languages.toml").write_text(
        languages.replace(
            "[language-server.aix-lsp.config]",
            "[language-server.aix-lsp.config]\ndeadlineMs = 15000\nconfidence = 0",
        )
    )
    server = tmp_path / "bin" / "aix-lsp"
    server.parent.mkdir()
    server.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m aix_lsp "$@"\n')
    server.chmod(server.stat().st_mode | stat.S_IXUSR)
    variables["PATH"] = f"{server.parent}:{os.environ['PATH']}"
    project = tmp_path / "project"
    (project / ".git").mkdir(parents=True)
    (project / "edited.py").write_text(SOURCE + "\n")
    editor = Terminal([program, "edited.py"], variables, project)
    yield editor
    editor.close()


def asked(helix: Terminal) -> bool:
    """Request the popup explicitly; returns whether it opened."""
    before = helix.screen()
    helix.keys("C-x")
    try:
        helix.wait(
            lambda: helix.screen().rstrip() != before.rstrip() and " text" in helix.screen(),
            "an entry",
            within=4,
        )
    except AssertionError:
        return False
    return True


def write(helix: Terminal) -> None:
    """Leave insert mode and save; an Escape may merely close a popup."""

    def in_normal_mode() -> bool:
        if " NOR " in helix.screen():
            return True
        helix.keys("Escape")
        return False

    helix.wait(in_normal_mode, "normal mode")
    helix.type(":write!\n")


def saved(path: Path) -> str:
    """The file's text; empty for the moment in which Helix replaces the file."""
    try:
        return path.read_text()
    except FileNotFoundError:
        return ""


def test_popup_and_accept(helix: Terminal, tmp_path: Path) -> None:
    helix.wait_screen("edited.py")
    helix.type("geA ")
    helix.wait(lambda: asked(helix), "an entry in the popup", within=200)
    helix.keys("Tab", "Enter")
    write(helix)
    path = tmp_path / "project" / "edited.py"
    helix.wait(lambda: saved(path) not in ("", SOURCE + "\n"), "saved file")
    accepted = saved(path)
    assert accepted.startswith(SOURCE + " ") and accepted.strip() != SOURCE, accepted
    typed = "values = [add(1, 2), subtract(3, 4)]  # in one go"
    helix.type("geo" + typed)
    write(helix)
    helix.wait(lambda: "in one go" in saved(path), "saved line")
    assert path.read_text().rstrip().split("\n")[-1].strip() == typed


def test_popup_doubles_no_bracket(helix: Terminal, tmp_path: Path) -> None:
    """Helix closes the bracket itself; the accepted text goes inside."""
    helix.wait_screen("edited.py")
    helix.type("geoprint(")
    helix.wait(lambda: asked(helix), "an entry in the popup", within=200)
    helix.keys("Tab", "Enter")
    write(helix)
    path = tmp_path / "project" / "edited.py"
    helix.wait(lambda: saved(path) not in ("", SOURCE + "\n"), "saved file")
    line = saved(path).rstrip("\n").split("\n")[-1].strip()
    assert line.startswith("print(") and len(line) > len("print()"), line
    assert line.count("(") == line.count(")"), line
