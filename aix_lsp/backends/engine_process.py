"""Starts the engine's process such that it outlives the server, and finds out how it ended."""

from __future__ import annotations

import subprocess

from aix_lsp import processes
from aix_lsp.backends.engine_endpoint import EngineEndpoint
from aix_lsp.files import is_regular, remove
from aix_lsp.settings.flags import engine_arguments
from aix_lsp.settings.table import Settings

ALREADY_RUNNING = 75
"""The engine's exit status if another one holds its lock (EX_TEMPFAIL)."""

_LARGEST_CRASH_FILE = 1 << 20


class EngineChild:
    """An engine started by this server."""

    def __init__(self, settings: Settings, endpoint: EngineEndpoint) -> None:
        """Start it. Blocks for some milliseconds. Raises OSError if no process can be created."""
        endpoint.crashes.parent.mkdir(parents=True, exist_ok=True)
        if not is_regular(endpoint.crashes):
            remove(endpoint.crashes)  # opening a pipe would wait for its reader
        elif endpoint.crashes.stat().st_size > _LARGEST_CRASH_FILE:
            endpoint.crashes.replace(endpoint.crashes.with_suffix(".err.old"))
        self._crashes = endpoint.crashes
        with endpoint.crashes.open("ab") as errors:
            self._mark = errors.tell()
            self._process = processes.start(
                "aix_lsp",
                *arguments(settings, endpoint),
                detached=True,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def ended(self) -> int | None:
        """Its exit status, or None while it runs. Must be called now and then, to avoid leaving a zombie process."""
        return self._process.poll()

    def last_words(self) -> str:
        """The last line of its standard error: why it could not start, or what killed it."""
        try:
            with self._crashes.open("rb") as errors:
                errors.seek(self._mark)
                lines = errors.read(_LARGEST_CRASH_FILE).decode("utf-8", "replace").strip().splitlines()
        except OSError:
            return ""
        return lines[-1].strip() if lines else ""


def arguments(settings: Settings, endpoint: EngineEndpoint) -> list[str]:
    """The command line that runs the engine for these settings."""
    found = ["engine"]
    found += engine_arguments(settings)
    found += ["--lock", str(endpoint.lock), "--log-file", str(endpoint.log)]
    if endpoint.socket is not None:
        return [*found, "--uds", str(endpoint.socket)]
    return [
        *found,
        "--host",
        "127.0.0.1",
        "--port",
        str(endpoint.port),
        "--token-file",
        str(endpoint.token_file),
    ]
