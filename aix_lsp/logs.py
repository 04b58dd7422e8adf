"""Sends log lines to standard error or to a file of bounded size. Standard output is reserved for protocols."""

from __future__ import annotations

import logging
import logging.handlers
import os
import re
import stat
import sys
from pathlib import Path

_FORMAT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"
_LARGEST = 5 << 20
_KEPT = 2
_ORDERS = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def printable(text: str, keep: str = "", instead: str = "\ufffd") -> str:
    """Text of strangers' as it may be shown: without what a terminal would obey, and without halves of characters.

    Names of files and settings, patterns, and servers' answers can hold such; line ends are among them.
    """
    return _ORDERS.sub(lambda found: found[0] if found[0] in keep else instead, text)


class _Formatter(logging.Formatter):
    def formatMessage(self, record: logging.LogRecord) -> str:
        record.message = printable(record.message, keep="\n\t")
        return super().formatMessage(record)


def configure(level: str = "info", file: Path | None = None) -> None:
    """Log to `file`, which stays below 15 MiB together with its predecessors, or to standard error.

    If the file cannot be written, that is reported on standard error, which is then used instead.
    """
    handler, problem = _handler(file)
    handler.setFormatter(_Formatter(_FORMAT))
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
    """Also write errors to standard error, each as one plain line, for whoever has started us."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setLevel(logging.ERROR)
    handler.addFilter(lambda record: not record.exc_info)
    handler.setFormatter(_Formatter())
    logging.getLogger().addHandler(handler)


def set_level(level: str) -> None:
    """Suppress messages below `level` ("debug", "info", "warning" or "error")."""
    logging.getLogger().setLevel(level.upper())
    # These log every byte and every step, which no user of ours has asked for.
    for noisy in ("asyncio", "aiohttp", "pygls", "httpx", "urllib3", "filelock"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, logging.getLevelName(level.upper())))


def _handler(file: Path | None) -> tuple[logging.Handler, str]:
    if file is None:
        return logging.StreamHandler(sys.stderr), ""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.exists() and stat.S_ISFIFO(file.stat().st_mode):
            os.close(
                os.open(file, os.O_WRONLY | os.O_NONBLOCK)
            )  # fails where nobody reads it, instead of waiting
        handler = logging.handlers.RotatingFileHandler(
            file, maxBytes=_LARGEST, backupCount=_KEPT, encoding="utf-8"
        )
    except OSError as error:
        return logging.StreamHandler(sys.stderr), f"--log-file {file}: {error.strerror}; logging here."
    return handler, ""
