"""The locations of the program's files: one variable moves all, sockets stay short, others' folders are refused."""

from __future__ import annotations

import os
import socket
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from aix_lsp import paths

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Unix permissions and sockets")


@pytest.fixture
def no_home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An environment without AIX_LSP_HOME and with an empty temporary folder of a short name."""
    monkeypatch.delenv("AIX_LSP_HOME", raising=False)
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        monkeypatch.setenv("XDG_RUNTIME_DIR", f"{folder}/gone")
        monkeypatch.setattr("tempfile.tempdir", folder)
        yield Path(folder)


def test_home_moves_everything(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AIX_LSP_HOME", str(tmp_path / "home"))
    found = [paths.config_dir(), paths.cache_dir(), paths.state_dir(), paths.log_dir(), paths.runtime_dir()]
    assert len(set(found)) == 5
    assert all(path.is_relative_to(tmp_path / "home") for path in found)


def test_folders_are_private(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir(mode=0o777)
    (tmp_path / "run").chmod(0o777)
    monkeypatch.setenv("AIX_LSP_HOME", str(tmp_path))
    for folder in (paths.runtime_dir(), paths.state_dir(), paths.cache_dir(), paths.log_dir()):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700, folder


def test_the_config_folder_is_not_created(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AIX_LSP_HOME", str(tmp_path))
    assert not paths.config_dir().exists()


def test_session_folder_is_used(no_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = no_home / "session"
    session.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(session))
    assert paths.runtime_dir() == session / "aix-lsp"


@pytest.mark.parametrize("depth", [0, 1, 5, 30])
def test_sockets_can_be_bound_however_deep_the_home(
    depth: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AIX_LSP_HOME", str(tmp_path.joinpath(*["folder"] * depth)))
    path = paths.socket_path("0123456789ab.sock")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        assert path.is_socket()
    path.unlink()


def test_deep_homes_do_not_share_sockets(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found = set()
    for name in ("a" * 90, "b" * 90):
        monkeypatch.setenv("AIX_LSP_HOME", str(tmp_path / name))
        found.add(paths.socket_path("engine.sock"))
    assert len(found) == 2


def test_folder_of_another_user_is_refused(no_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Anyone can create a folder in /tmp: what matters is its owner, also behind a link."""
    monkeypatch.setattr(paths, "_session_runtime_dir", lambda: None)
    (no_home / f"aix-lsp-{os.getuid()}").symlink_to("/usr" if os.getuid() else _foreign(no_home))
    with pytest.raises(paths.UnsafeDirectory, match="AIX_LSP_HOME"):
        paths.runtime_dir()


def _foreign(folder: Path) -> Path:
    other = folder / "foreign"
    other.mkdir()
    os.chown(other, 65534, 65534)
    return other


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="only root can make others' links")
def test_a_link_of_another_user_is_refused_wherever_it_leads(
    no_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It leads to one of our folders now, but its owner can redirect it at any time."""
    monkeypatch.setattr(paths, "_session_runtime_dir", lambda: None)
    ours = no_home / "ours"
    ours.mkdir(mode=0o700)
    link = no_home / f"aix-lsp-{os.getuid()}"
    link.symlink_to(ours)
    assert paths.runtime_dir() == link
    os.lchown(link, 65534, 65534)
    with pytest.raises(paths.UnsafeDirectory, match="AIX_LSP_HOME"):
        paths.runtime_dir()


def test_a_file_at_the_folders_path_is_refused(no_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "_session_runtime_dir", lambda: None)
    (no_home / f"aix-lsp-{os.getuid()}").touch()
    with pytest.raises(OSError):
        paths.runtime_dir()


def test_a_relative_home_is_not_in_the_open_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AIX_LSP_HOME", "state")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    assert paths.home() == tmp_path / "home" / "state"


@pytest.mark.parametrize(
    ("value", "base", "folder"),
    [
        ("acme/coder", "/etc/aix", None),
        ("embedded", "/etc/aix", None),
        ("acme/../../coder", "/etc/aix", None),
        ("./coder", "/etc/aix", "/etc/aix/coder"),
        ("../coder", "/etc/aix", "/etc/coder"),
        (".coder", "/etc/aix", "/etc/aix/.coder"),
        ("/models/coder", None, "/models/coder"),
        ("~/coder", None, "{home}/coder"),
    ],
)
def test_variables_that_name_a_folder(value: str, base: str | None, folder: str | None) -> None:
    found = paths.folder_named(value, Path(base) if base else None)
    assert found == (None if folder is None else Path(folder.format(home=Path.home())))


@pytest.mark.parametrize("value", ["./coder", "..", ".", "~no-such-user/coder"])
def test_a_folder_relative_to_nothing(value: str) -> None:
    with pytest.raises(ValueError):
        paths.folder_named(value)


@pytest.mark.skipif(sys.platform == "win32", reason="modes of Unix")
@pytest.mark.parametrize("folder", [paths.state_dir, paths.cache_dir, paths.runtime_dir, paths.log_dir])
def test_a_world_writable_folder_is_reclaimed(
    folder: Callable[[], Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Files of other users are deleted; ours stay, and so do the targets of the others' links."""
    monkeypatch.setenv("AIX_LSP_HOME", str(tmp_path / "home"))
    base, precious = folder(), tmp_path / "precious"
    ours = base / "ours"
    for file in (ours, precious):
        file.write_text("1")
    base.chmod(0o777)
    others = [base / name for name in ("engine.token", "link", "folder")]
    others[0].write_text("a token that they know")
    others[1].symlink_to(precious)
    (others[2] / "in").mkdir(parents=True)
    if os.getuid() == 0:
        for entry in (*others, others[2] / "in"):
            os.lchown(entry, 65534, 65534)
    assert stat.S_IMODE(folder().stat().st_mode) == 0o700
    assert ours.exists() and precious.exists()
    assert [entry.name for entry in others if os.path.lexists(entry)] == (
        [] if os.getuid() == 0 else [entry.name for entry in others]
    )
