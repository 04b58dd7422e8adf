"""Detects a corrupt index file, and deletes it. Knows no tables."""

from __future__ import annotations

import sqlite3
from pathlib import Path


class Damaged(Exception):
    """The index cannot be read; it is to be thrown away and made again."""


class damage:
    """Turns what SQLite says of a broken file into Damaged; a busy or full disk stays what it is."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, sqlite3.DatabaseError) and not _passing(error):
            raise Damaged(str(error)) from error


def _passing(error: sqlite3.DatabaseError) -> bool:
    text = str(error)
    return isinstance(error, sqlite3.OperationalError) and any(
        word in text for word in ("locked", "busy", "full", "readonly", "unable to open", "interrupted")
    )


def throw_away(path: Path) -> None:
    """Delete an index and what SQLite keeps beside it."""
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
