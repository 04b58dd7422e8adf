"""Sends log lines to standard error or a file of bounded size. Standard output belongs to protocols."""

from __future__ import annotations

import logging
import logging.handlers
import sys
from pathlib import Path

_FORMAT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"
_LARGEST = 5 << 20
_KEPT = 2


def configure(level: str = "info", file: Path | None = None) -> None:
    """Log to `file`, kept under 15 MiB with its predecessors, or to standard error.

    A file that cannot be written is reported on standard error, which is then used.
    """
    handler, problem = _handler(file)
    handler.setFormatter(logging.Formatter(_FORMAT))
    root = logging.getLogger()
    for old in tuple(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    set_level(level)
    # A full disk or a closed terminal must not print tracebacks into whatever is left.
    logging.raiseExceptions = False
    if problem:
        logging.getLogger(__name__).warning("%s", problem)


def add_errors_on_stderr() -> None:
    """Say errors on standard error too, each as one plain line: for whoever has started us."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setLevel(logging.ERROR)
    handler.addFilter(lambda record: not record.exc_info)
    logging.getLogger().addHandler(handler)


def set_level(level: str) -> None:
    """Hold back what is less than `level` ("debug", "info", "warning" or "error")."""
    logging.getLogger().setLevel(level.upper())
    # These tell of every byte and every step, which no user of ours has asked for.
    for noisy in ("asyncio", "aiohttp", "pygls", "httpx", "urllib3", "filelock"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, logging.getLevelName(level.upper())))


def _handler(file: Path | None) -> tuple[logging.Handler, str]:
    if file is None:
        return logging.StreamHandler(sys.stderr), ""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        handler = logging.handlers.RotatingFileHandler(
            file, maxBytes=_LARGEST, backupCount=_KEPT, encoding="utf-8"
        )
    except OSError as error:
        return logging.StreamHandler(sys.stderr), f"--log-file {file}: {error.strerror}; logging here."
    return handler, ""
