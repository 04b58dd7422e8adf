"""The address, lock, logs and token of the engine that all language servers of one user share.

Servers with the same engine settings use the same endpoint; other settings, or another version of the program, mean
another engine.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import socket
import sys
from contextlib import AbstractContextManager
from dataclasses import dataclass, fields
from pathlib import Path

import aix_lsp
from aix_lsp.backends.address import Address, unix
from aix_lsp.files import read_text, write_whole
from aix_lsp.paths import log_dir, runtime_dir, socket_path
from aix_lsp.settings.table import EngineOptions, Settings

_SMALL = 4096
_TOKEN = re.compile(r"[\w-]{32,}", re.ASCII)
"""What we write: without a line's end, which no header can have."""
HAS_UNIX_SOCKETS = hasattr(socket, "AF_UNIX") and sys.platform != "win32"

# How long an idle engine stays does not change its answers.
_NOT_IN_KEY = {"idle_exit_s"}


@dataclass(frozen=True, slots=True)
class EngineEndpoint:
    """One engine's address and files. Without Unix sockets, `port` and `token_file` replace `socket`."""

    key: str
    lock: Path
    log: Path
    crashes: Path
    """The standard error of the engine's process: usually empty, or why it could not start."""
    socket: Path | None = None
    port: int = 0
    token_file: Path | None = None

    @property
    def address(self) -> Address:
        if self.socket is not None:
            return unix(str(self.socket))
        return Address(f"http://127.0.0.1:{self.port}")

    @property
    def token(self) -> str:
        return read_text(self.token_file, _SMALL) if self.token_file is not None else ""


def engine_key(settings: Settings) -> str:
    """A short digest of everything that distinguishes one engine from another."""
    parts: dict[str, object] = {
        field.name: getattr(settings, field.name)
        for field in fields(EngineOptions)
        if field.name not in _NOT_IN_KEY
    }
    parts |= {"version": aix_lsp.__version__, "python": sys.executable}
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]


def engine_endpoint(settings: Settings) -> EngineEndpoint:
    """The address and files of the engine for these settings. Creates folders, and a token if needed."""
    key = engine_key(settings)
    runtime, logs = runtime_dir(), log_dir()
    lock, log, crashes = runtime / f"{key}.lock", logs / f"engine-{key}.log", logs / f"engine-{key}.err"
    if HAS_UNIX_SOCKETS:
        return EngineEndpoint(key, lock, log, crashes, socket=socket_path(f"{key}.sock"))
    port, token_file = _loopback(runtime / f"{key}.address")
    return EngineEndpoint(key, lock, log, crashes, port=port, token_file=token_file)


def _loopback(address_file: Path) -> tuple[int, Path]:
    """A port and a token that all servers agree on: the first one writes them down.

    While no engine runs, another program may take the port; whoever notices removes the file (`forget_port`), and
    another port is chosen.
    """
    token_file = address_file.with_suffix(".token")
    with _drawing(address_file):
        if not _has_token(token_file):
            write_whole(token_file, secrets.token_urlsafe(32))
        port = _port_in(address_file)
        if port is None:
            port = _free_port()
            write_whole(address_file, str(port))
    return port, token_file


def forget_port(endpoint: EngineEndpoint) -> bool:
    """Have another port chosen next time, because another program uses this one. Returns False if there is no port."""
    if endpoint.token_file is None:
        return False
    address_file = endpoint.token_file.with_suffix(".address")
    with _drawing(address_file):
        # Another server may have noticed first, and already chosen another.
        if _port_in(address_file) == endpoint.port:
            address_file.unlink(missing_ok=True)
    return True


def _drawing(address_file: Path) -> AbstractContextManager[object]:
    from filelock import FileLock

    return FileLock(address_file.with_suffix(".drawing"), timeout=10, mode=0o600)


def _port_in(address_file: Path) -> int | None:
    """The port in the file; None if there is no valid one, or the file is not ours."""
    try:
        port = int(_read_own(address_file))
    except (OSError, ValueError):
        return None
    return port if 1024 <= port < 1 << 16 else None


def _has_token(token_file: Path) -> bool:
    try:
        return bool(_TOKEN.fullmatch(_read_own(token_file)))
    except (OSError, ValueError):
        return False


def _read_own(file: Path) -> str:
    """Read a file that we wrote, without following a link in its place. Raises OSError, ValueError."""
    if file.is_symlink():
        raise OSError(f"{file} is a link")
    return read_text(file, _SMALL)


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
