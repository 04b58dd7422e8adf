"""Small files of rules, read so that no file of a project can stop the server: regular ones only, and bounded."""

from __future__ import annotations

import os
import stat
from pathlib import Path

LARGEST = 8 << 20
"""Bytes of an ignore file."""


class TooLarge(Exception):
    """A file with more than LARGEST bytes; what it says is not known."""


def text_of(path: Path, follow: bool = True) -> str | None:
    """A file's text; None where there is none, or no regular one. Raises TooLarge."""
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
    if not follow:
        flags |= getattr(os, "O_NOFOLLOW", 0)
    try:
        with os.fdopen(os.open(path, flags), "rb") as file:
            info = os.fstat(file.fileno())
            if not stat.S_ISREG(info.st_mode):
                return None
            data = file.read(LARGEST + 1)
    except (OSError, ValueError):
        return None
    if len(data) > LARGEST:
        raise TooLarge(f"more than {LARGEST >> 20} MiB")
    return data.decode("utf-8", "surrogateescape")
