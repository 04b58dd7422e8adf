"""Reading untrusted files: whatever a path leads to, the result comes at once and is bounded."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aix_lsp import files

LIMIT = 10_000


def fifo(path: Path) -> None:
    os.mkfifo(path)


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def terminal(path: Path) -> None:
    path.symlink_to("/dev/stdin")


def random_device(path: Path) -> None:
    path.symlink_to("/dev/random")


def sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 40)


def folder(path: Path) -> None:
    path.mkdir()


def unix_socket(path: Path) -> None:
    listener = socket.socket(socket.AF_UNIX)
    with tempfile.TemporaryDirectory() as short:  # a socket's path has at most 107 bytes
        listener.bind(f"{short}/s")
        Path(short, "s").rename(path)


def circle(path: Path) -> None:
    path.symlink_to(path)


def dangling(path: Path) -> None:
    path.symlink_to(path.with_name("nowhere"))


def a_byte_too_large(path: Path) -> None:
    path.write_bytes(bytes(LIMIT + 1))


def endless(path: Path) -> None:
    path.symlink_to("/proc/self/mem")


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


HOSTILE = [
    fifo, device, terminal, random_device, sparse, folder, unix_socket, circle, dangling, a_byte_too_large, endless
]  # fmt: skip


@pytest.mark.skipif(sys.platform == "win32", reason="pipes and devices of Unix")
@pytest.mark.parametrize("make", HOSTILE, ids=lambda make: make.__name__)
def test_only_regular_files_are_read(make: Callable[[Path], None], tmp_path: Path) -> None:
    make(tmp_path / "x")
    with pytest.raises(OSError):
        files.read_bytes(tmp_path / "x", LIMIT)
    with pytest.raises(OSError):
        files.read_text(tmp_path / "x", LIMIT, errors="replace")


@pytest.mark.parametrize("path", ["", "a\0b", "x" * 5000, "/nowhere/at/all", "a/" * 3000])
def test_invalid_paths(path: str) -> None:
    with pytest.raises(OSError):
        files.read_bytes(path, LIMIT)
    assert not files.is_regular(path)


@given(st.binary(max_size=300), st.integers(0, 300))
def test_a_file_is_read_whole_or_not_at_all(content: bytes, limit: int) -> None:
    path = Path(f"/tmp/aix-files-{os.getpid()}-{threading.get_ident()}")
    path.write_bytes(content)
    try:
        if len(content) <= limit:
            assert files.read_bytes(path, limit) == content
        else:
            with pytest.raises(files.Unreadable, match="larger"):
                files.read_bytes(path, limit)
    finally:
        path.unlink()


def test_a_byte_order_mark_is_removed(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"\xef\xbb\xbf*.log\n")
    assert files.read_text(tmp_path / "x", LIMIT) == "*.log\n"
    for encoding in ("utf-16-le", "utf-16-be"):  # as PowerShell's `echo … > .gitignore` writes
        (tmp_path / "x").write_bytes("\ufeff*.log\n".encode(encoding))
        assert files.read_text(tmp_path / "x", LIMIT) == "*.log\n"


def test_text_that_is_not_utf_8(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"caf\xe9")
    with pytest.raises(UnicodeDecodeError):
        files.read_text(tmp_path / "x", LIMIT)
    assert files.read_text(tmp_path / "x", LIMIT, errors="replace") == "caf\ufffd"


@pytest.mark.parametrize("content", ["[" * 100_000, '{"a":' * 100_000, "1" * 5000, "", "{", "\ufeff{"])
def test_invalid_json(content: str, tmp_path: Path) -> None:
    (tmp_path / "x").write_text(content, "utf-8")
    with pytest.raises(ValueError):
        files.read_json(tmp_path / "x", 1 << 20)


@pytest.mark.skipif(sys.platform == "win32", reason="pipes and devices of Unix")
@pytest.mark.parametrize("make", HOSTILE, ids=lambda make: make.__name__)
def test_our_file_replaces_whatever_lies_at_its_path(make: Callable[[Path], None], tmp_path: Path) -> None:
    make(tmp_path / "x")
    files.write_whole(tmp_path / "x", "ours é\n")
    assert files.read_text(tmp_path / "x", LIMIT) == "ours é\n"
    assert not (tmp_path / "x").is_symlink() and (tmp_path / "x").stat().st_mode & 0o777 == 0o600
    assert names(tmp_path) == ["x"]
    make(tmp_path / "y")
    files.remove(tmp_path / "y")
    files.remove(tmp_path / "y")
    assert names(tmp_path) == ["x"]


def test_a_file_that_cannot_be_written_stays_as_it_was(tmp_path: Path) -> None:
    files.write_whole(tmp_path / "x", "before")
    with pytest.raises(UnicodeEncodeError):
        files.write_whole(tmp_path / "x", "after \ud800")
    assert names(tmp_path) == ["x"] and (tmp_path / "x").read_text() == "before"


def test_a_file_that_grows_while_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"x" * LIMIT)
    monkeypatch.setattr(files, "_check", lambda info, limit: path.write_bytes(b"x" * (LIMIT + 5)))
    with pytest.raises(files.Unreadable, match="larger"):
        files.read_bytes(path, LIMIT)


async def test_work_on_a_thread() -> None:
    assert await files.on_thread(lambda: 5) == 5
    with pytest.raises(ZeroDivisionError):
        await files.on_thread(lambda: 1 // 0)


async def test_hanging_work_can_be_abandoned(tmp_path: Path) -> None:
    never = threading.Event()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await files.on_thread(never.wait)
    never.set()


def test_hanging_work_does_not_keep_the_process_alive() -> None:
    code = """
import asyncio, threading
from aix_lsp import files

async def main():
    try:
        async with asyncio.timeout(0.1):
            await files.on_thread(threading.Event().wait)
    except TimeoutError:
        print("left")

asyncio.run(main())
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "left\n"
