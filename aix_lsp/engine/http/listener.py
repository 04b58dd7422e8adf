"""Opens the engine's address: the lock file and the listening socket, private if it is a Unix socket. Knows no HTTP."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from aix_lsp.engine.options import Listen
from aix_lsp.files import read_text


class CannotListen(Exception):
    """The address cannot be used. The message is for the user."""


class AlreadyServed(Exception):
    """Another engine is listening at this address."""


@contextlib.contextmanager
def hold_lock(path: str) -> Iterator[None]:
    """Hold the lock file, if there is one. Raises filelock.Timeout if another process holds it, CannotListen if it
    cannot be used.
    """
    if not path:
        yield
        return
    lock = FileLock(path, timeout=0)
    try:
        Path(path).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        raise
    except OSError as error:
        raise CannotListen(
            f"the lock file {path} cannot be used ({error.strerror or error}); delete it"
        ) from error
    try:
        yield
    finally:
        lock.release()


def open_socket(listen: Listen, owned: bool) -> tuple[socket.socket, str]:
    """A listening socket, and its URL for clients.

    `owned`: a lock is held, so that a socket file at this address can only be left from a dead engine. Raises
    CannotListen, AlreadyServed.
    """
    try:
        return _unix(Path(listen.uds), owned) if listen.uds else _tcp(listen.host, listen.port)
    except OSError as error:
        where = f"--uds {listen.uds}" if listen.uds else f"--host {listen.host} --port {listen.port}"
        raise CannotListen(f"cannot listen at {where}: {error}; name another address") from error


def _unix(path: Path, owned: bool) -> tuple[socket.socket, str]:
    if not hasattr(socket, "AF_UNIX"):
        raise CannotListen("this system has no Unix sockets; use --host 127.0.0.1 with --token-file")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _clear(path, owned)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # Nobody else may connect between bind and chmod.
    mask = os.umask(0o177)
    try:
        listener.bind(str(path))
    finally:
        os.umask(mask)
    path.chmod(0o600)
    listener.listen(128)
    listener.setblocking(False)
    return listener, f"unix:{path}"


def _clear(path: Path, owned: bool) -> None:
    """Remove a socket left by a killed engine, but never one that is in use, or another kind of file."""
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise CannotListen(f"{path} exists and is not a socket; remove it or choose another --uds")
    except FileNotFoundError:
        return
    if not owned and _answers(path):
        raise AlreadyServed
    path.unlink(missing_ok=True)


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(str(path)) == 0


def _tcp(host: str, port: int) -> tuple[socket.socket, str]:
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    listener = socket.socket(family, socket.SOCK_STREAM)
    if os.name == "posix":
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(address)
    listener.listen(128)
    listener.setblocking(False)
    shown = f"[{host}]" if ":" in host else host
    return listener, f"http://{shown}:{listener.getsockname()[1]}"


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    with contextlib.suppress(OSError):
        found = {info[4][0] for info in socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM)}
        return all(str(address).startswith("127.") or address == "::1" for address in found)
    return False


def token_of(listen: Listen) -> str:
    """The token that requests must carry; empty for none. Raises CannotListen."""
    if listen.token_file:
        try:
            token = read_text(listen.token_file, 4096).strip()
        except (OSError, UnicodeDecodeError) as error:
            raise CannotListen(f"--token-file {listen.token_file} cannot be read: {error}") from error
        if not token:
            raise CannotListen(f"--token-file {listen.token_file} is empty")
        return token
    if listen.host and not is_loopback(listen.host):
        raise CannotListen(f"--host {listen.host} can be reached from other machines; give a --token-file")
    return ""


def allowed_hosts(listen: Listen) -> frozenset[str]:
    """Accepted values of the Host header; empty for any. Web pages cannot reach Unix sockets."""
    if listen.uds or not is_loopback(listen.host):
        return frozenset()
    shown = f"[{listen.host}]" if ":" in listen.host else listen.host.lower()
    return frozenset({shown, "localhost", "127.0.0.1", "[::1]"})
