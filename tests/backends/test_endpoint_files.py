"""Endpoint files that are forged, links or endless are not trusted, and a new endpoint is chosen."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock, Timeout

from aix_lsp import processes
from aix_lsp.backends.engine_endpoint import _loopback, engine_endpoint, forget_port
from aix_lsp.backends.engine_process import EngineChild
from aix_lsp.engine import process
from aix_lsp.engine.http.listener import hold_lock
from aix_lsp.engine.options import EngineOptions, Listen
from aix_lsp.files import read_text
from aix_lsp.settings import Settings

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pipes, links and devices of Unix")


def _folder(place: Path) -> None:
    (place / "in").mkdir(parents=True)


def _sparse(place: Path) -> None:
    place.touch()
    os.truncate(place, 1 << 40)


HOSTILE: dict[str, Callable[[Path], object]] = {
    "nothing": lambda place: None,
    "empty": lambda place: place.write_text(""),
    "forged": lambda place: place.write_text("80"),
    "negative": lambda place: place.write_text("-1"),
    "too large": lambda place: place.write_text("99999"),
    "digits": lambda place: place.write_text("9" * 5000),
    "with a line's end": lambda place: place.write_text("t" * 40 + "\n"),
    "no header's": lambda place: place.write_text("é" * 40),
    "not text": lambda place: place.write_bytes(b"\xff\xfe\0"),
    "sparse": _sparse,
    "pipe": lambda place: os.mkfifo(place),
    "device": lambda place: place.symlink_to("/dev/zero"),
    "link": lambda place: place.symlink_to(place.with_name("precious")),
    "folder": _folder,
}


@pytest.mark.parametrize("what", HOSTILE)
@pytest.mark.parametrize("name", ["e.address", "e.token"])
def test_a_foreign_address_or_token_is_replaced(what: str, name: str, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("50000" + "x" * 50 if name == "e.token" else "50000")
    before = precious.read_text()
    HOSTILE[what](tmp_path / name)
    port, token_file = _loopback(tmp_path / "e.address")
    assert 1024 <= port < 65536
    token = read_text(token_file, 4096)
    assert len(token) >= 32 and "x" * 50 not in token
    assert token_file.stat().st_mode & 0o777 == 0o600 and not token_file.is_symlink()
    assert precious.read_text() == before
    assert _loopback(tmp_path / "e.address") == (port, token_file), "all servers agree"
    assert read_text(token_file, 4096) == token


@pytest.mark.parametrize("what", ["folder", "link to nothing"])
def test_a_blocked_lock_path_ends_the_engine_with_a_one_line_error(
    what: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lock = tmp_path / "e.lock"
    if what == "folder":
        lock.mkdir()
    else:
        lock.symlink_to(tmp_path / "nothing" / "there")
    assert process.run(EngineOptions(), Listen(uds=str(tmp_path / "e.sock"), lock=str(lock))) == 1
    [record] = caplog.records
    assert str(lock) in record.getMessage() and "delete it" in record.getMessage() and not record.exc_info
    assert not (tmp_path / "nothing").exists()


def test_a_pipe_works_as_a_lock_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "e.lock")
    with (
        hold_lock(str(tmp_path / "e.lock")),
        pytest.raises(Timeout),
        hold_lock(str(tmp_path / "e.lock")),
    ):
        pass


def test_with_unix_sockets_there_is_no_port_to_forget(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIX_LSP_HOME", str(tmp_path))
    endpoint = engine_endpoint(Settings())
    assert endpoint.socket is not None and not forget_port(endpoint)
    with FileLock(endpoint.lock, timeout=0):
        assert endpoint.lock.stat().st_uid == os.getuid()


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_files_at_the_crash_log_path(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Opening a pipe would block until it has a reader, and the server could not exit."""
    monkeypatch.setenv("AIX_LSP_HOME", str(tmp_path / "home"))
    endpoint = engine_endpoint(Settings())
    HOSTILE[what](endpoint.crashes)
    endpoint.crashes.with_name("precious").write_text("mine")
    words = "import sys; sys.exit('it does not start')"
    start = subprocess.Popen
    monkeypatch.setattr(
        processes, "start", lambda *_, stderr, **__: start([sys.executable, "-c", words], stderr=stderr)
    )
    child = EngineChild(Settings(), endpoint)
    assert child._process.wait(60) == 1
    assert child.last_words() == "it does not start"
