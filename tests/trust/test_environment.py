"""The environment of a server whose editor was started outside the workspace, or with a hanging network drive."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from aix_lsp import processes
from aix_lsp.lsp.workspace import Configuration


def test_a_hanging_file_system_does_not_delay_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PATH contains a network drive whose server is gone. The other entries are still checked."""
    here, real, gone = tmp_path / "open", os.path.realpath, threading.Event()
    hanging = threading.Event()
    (here / "bin").mkdir(parents=True)
    (tmp_path / "link").symlink_to(here / "bin")

    def realpath(path: str, **more: bool) -> str:
        if str(path).startswith("/net/"):
            hanging.set()
            gone.wait()
        return real(path, **more)

    def join(thread: threading.Thread, timeout: float) -> None:
        """Wait until the thread ends or hangs, however busy the machine is."""
        while thread.is_alive() and not hanging.wait(0.01):
            pass
        hanging.clear()

    monkeypatch.setattr(os.path, "realpath", realpath)
    monkeypatch.setattr(processes, "_REAL", {})
    monkeypatch.setattr(threading.Thread, "join", join)
    listed = [
        "/net/a/bin",
        str(tmp_path / "link"),
        "/usr/bin",
        "/net/b/bin",
        str(here / "bin"),
        "/net/c",
        "/net/d",
    ]
    inherited = {"HOME": "/home/u", "PATH": os.pathsep.join(listed), "TMPDIR": str(tmp_path / "link")}
    try:
        found = processes.environment(inherited, str(here))
        assert found["PATH"] == os.pathsep.join(["/net/a/bin", "/usr/bin", "/net/b/bin", "/net/c", "/net/d"])
        assert "TMPDIR" not in found
    finally:
        gone.set()


def test_variables_that_lead_into_another_workspace_folder_are_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The editor may be started elsewhere, with an environment set by a tool such as direnv for the project."""
    project = tmp_path / "project"
    (project / "bin").mkdir(parents=True)
    (tmp_path / "link").symlink_to(project)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(project / "x"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "link" / "ca.pem"))
    monkeypatch.setenv("CC", "/usr/bin/cc")
    monkeypatch.setenv("PATH", os.pathsep.join([str(project / "bin"), "/usr/bin"]))
    monkeypatch.setenv("PYTHONPATH", "/somewhere")
    for _ in range(2):
        processes.distrust(tmp_path / "link")
        assert not {"XDG_CONFIG_HOME", "SSL_CERT_FILE"} & os.environ.keys()
        assert [os.environ[name] for name in ("PATH", "CC", "PYTHONPATH")] == [
            "/usr/bin",
            "/usr/bin/cc",
            "/somewhere",
        ]


@pytest.mark.parametrize(
    ("opened", "trusted", "kept"),
    [("project", True, False), ("elsewhere", True, True), ("project", False, True)],
)
async def test_settings_in_a_workspace_folder_are_not_the_users(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, opened: str, trusted: bool, kept: bool
) -> None:
    """A client without a token cannot disable the user's own settings by opening their folder."""
    home = tmp_path / "project" / "home"
    (home / "config").mkdir(parents=True)
    (home / "config" / "config.toml").write_text("maxTokens = 7\n")
    monkeypatch.setenv("AIX_LSP_HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "none"))
    layers = await Configuration({}, trusts_client=trusted).read_files([tmp_path / opened])
    assert layers[None].values == ({"maxTokens": 7} if kept else {})
