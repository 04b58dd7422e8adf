"""The team server's process with the model: the engine plus authentication and quotas, drained before it exits.

Started by `supervisor` with the listening socket. Its job comes as JSON on standard input, which is closed when the
supervisor ends.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import ssl
import sys
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.json import decode
from starlette.types import ASGIApp

from aix_lsp import files, logs
from aix_lsp.engine.options import EngineOptions, Listen
from aix_lsp.engine.process import EngineProcess, end, run_loop
from aix_lsp.serve.app import AccessControl
from aix_lsp.serve.usage import UsageError, UsageLog
from aix_lsp.serve.users import UserDirectory, UsersError

log = logging.getLogger(__name__)

HAND_OVER = getattr(signal, "SIGUSR1", signal.SIGTERM)
"""Sent by the supervisor when another worker already serves: only the present requests need to be finished."""
_CHECK_EVERY_S = 0.05
_QUIET_S = 2.0
"""How long idle connections are kept while another worker takes over."""
_LARGEST_TOKEN = 4096


class ServeOptions(Struct, frozen=True):
    """A team server's start options, in addition to the engine's. Paths are absolute."""

    users: str
    usage: str
    host: str = "127.0.0.1"
    port: int = 8080
    admin_token_file: str = ""
    tls_certificate: str = ""
    tls_key: str = ""
    drain_s: float = 30.0
    step_limit_s: float = 30.0
    verbose: bool = False
    log_file: str = ""


class Job(Struct, frozen=True):
    """What the supervisor tells a worker at its start."""

    serve: ServeOptions
    engine: dict[str, Any]
    descriptor: int
    url: str
    takes_over: bool = False
    """Whether another worker serves until this one is ready."""


class ServeError(Exception):
    """The server cannot run with these options. The message is for the administrator."""


class ServeProcess(EngineProcess):
    """The engine's process, behind access control."""

    signals = (signal.SIGTERM, signal.SIGINT, HAND_OVER)

    def __init__(self, job: Job, directory: UserDirectory, usage: UsageLog, admin_token: str) -> None:
        options = job.serve
        super().__init__(
            EngineOptions(**job.engine),
            Listen(host=options.host, idle_exit_s=0.0, step_limit_s=options.step_limit_s),
            job.url,
        )
        self._serve = options
        self._takes_over = job.takes_over
        self._directory = directory
        self._usage = usage
        self._admin_token = admin_token
        self._tasks: set[asyncio.Task[None]] = set()
        self.end_s = options.drain_s + 5.0
        threading.Thread(target=self._watch_supervisor, name="supervisor", daemon=True).start()

    def app(self) -> ASGIApp:
        self.access = AccessControl(
            self.service,
            self._directory,
            self._usage,
            self._admin_token,
            partial(self.on_signal, signal.SIGTERM),
        )
        self._keep(asyncio.create_task(self._directory.follow()))
        return self.access

    def server_options(self) -> dict[str, Any]:
        options = self._serve
        return {
            "ssl_certfile": options.tls_certificate or None,
            "ssl_keyfile": options.tls_key or None,
            "headers": [("strict-transport-security", "max-age=31536000")]
            if options.tls_certificate
            else None,
        }

    async def before_serving(self) -> None:
        while self._takes_over and not (self.service.served or self.server.should_exit):  # noqa: ASYNC110
            await asyncio.sleep(_CHECK_EVERY_S)

    def on_signal(self, number: int) -> None:
        if self.access.draining and number != HAND_OVER:
            self.leave(f"received a second signal, {number}")
        elif not self.access.draining:
            self._keep(asyncio.create_task(self._drain(hand_over=number == HAND_OVER)))

    async def _drain(self, hand_over: bool) -> None:
        """Refuse new requests, wait for the present ones, then exit."""
        log.info("draining: %s", "another worker takes over" if hand_over else "told to leave")
        self.access.draining = "hand over" if hand_over else "stop"
        if hand_over:
            # Otherwise it keeps accepting, to say that it stops: nobody else answers on the supervisor's socket.
            for server in getattr(self.server, "servers", ()):
                server.close()
        self.board.close()
        began = time.monotonic()
        rest = began + _QUIET_S if hand_over else began
        limit = began + self._serve.drain_s
        while self._busy(rest) and time.monotonic() < limit:  # noqa: ASYNC110 - nothing tells of quiet connections
            await asyncio.sleep(_CHECK_EVERY_S)
        if self.access.active:
            log.warning("%d requests did not end within %g s", self.access.active, self._serve.drain_s)
        self.leave("drained")

    def _busy(self, rest: float) -> bool:
        """Whether requests are being answered, or (until `rest`) may come on open connections, which no other worker
        gets."""
        return self.access.active > 0 or (time.monotonic() < rest and bool(self.connections.open))

    def _keep(self, task: asyncio.Task[None]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _watch_supervisor(self) -> None:
        """Exit when the supervisor has gone; nothing else would notice."""
        # Not through sys.stdin: its lock, held at the end, would abort the interpreter.
        while os.read(0, 4096):
            pass
        signal.raise_signal(signal.SIGTERM)


def check(options: ServeOptions) -> str:
    """Check everything that the options name; returns the administrator's token. Raises ServeError."""
    try:
        UserDirectory(Path(options.users))
        UsageLog(Path(options.usage)).close()
    except (UsersError, UsageError) as error:
        raise ServeError(str(error)) from error
    _check_tls(options)
    return _admin_token(options.admin_token_file)


def _admin_token(path: str) -> str:
    if not path:
        return ""
    try:
        token = files.read_text(path, _LARGEST_TOKEN).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ServeError(f"--admin-token-file {path} cannot be read: {error}") from error
    if len(token) < 16:
        raise ServeError(f"--admin-token-file {path} does not contain a token of at least 16 characters")
    return token


def _check_tls(options: ServeOptions) -> None:
    certificate, key = options.tls_certificate, options.tls_key
    if bool(certificate) != bool(key):
        raise ServeError("--tls-certificate and --tls-key must be given together")
    if not certificate:
        return
    for name, path in (("--tls-certificate", certificate), ("--tls-key", key)):
        try:
            files.read_bytes(path, 1 << 20)
        except OSError as error:
            raise ServeError(f"{name} {path} cannot be read: {error.strerror or error}") from error
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key, password="")
    except (ssl.SSLError, OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise ServeError(
            f"--tls-certificate {certificate} and --tls-key {key} are not a matching pair of PEM files "
            f"without a password: {reason}"
        ) from error


def main() -> int:
    """Run one worker."""
    job = decode(sys.stdin.buffer.readline(), type=Job)
    options = job.serve
    logs.configure(
        "debug" if options.verbose else "info", Path(options.log_file) if options.log_file else None
    )
    try:
        admin_token = check(options)
        directory, usage = UserDirectory(Path(options.users)), UsageLog(Path(options.usage))
    except (ServeError, UsersError, UsageError) as error:
        log.error("%s", error)
        return 1
    process = ServeProcess(job, directory, usage, admin_token)
    with socket.socket(fileno=job.descriptor) as listener:
        listener.setblocking(False)
        status = run_loop(process, listener)
    usage.close()
    return end(process, status)


if __name__ == "__main__":
    sys.exit(main())
