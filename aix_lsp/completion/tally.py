"""Counts on disk by day and language: local, small, and safe with many processes. Knows no suggestions."""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from datetime import date, timedelta
from pathlib import Path
from typing import NamedTuple

log = logging.getLogger(__name__)

KEEP_DAYS = 400
_BUSY_S = 2.0
_SCHEMA = """
CREATE TABLE IF NOT EXISTS counts (
    day TEXT NOT NULL, language TEXT NOT NULL, name TEXT NOT NULL, value REAL NOT NULL,
    PRIMARY KEY (day, language, name)
) WITHOUT ROWID
"""


class Key(NamedTuple):
    """What a count is of."""

    language: str
    name: str


class Tally:
    """A file of counts. It is opened for each use, so that any number of processes share it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()

    def add(self, counts: Mapping[Key, float], today: date | None = None) -> None:
        """Add to today's counts. Blocks for milliseconds: not for an event loop.

        Raises OSError or sqlite3.Error where the file cannot be written.
        """
        day = today or date.today()
        rows = [(day.isoformat(), key.language, key.name, value) for key, value in counts.items()]
        with self._lock, self._open() as connection:
            connection.executemany(
                "INSERT INTO counts VALUES (?, ?, ?, ?) "
                "ON CONFLICT DO UPDATE SET value = value + excluded.value",
                rows,
            )
            oldest = day - timedelta(days=KEEP_DAYS)
            connection.execute("DELETE FROM counts WHERE day < ?", (oldest.isoformat(),))

    def sums(self, since: date) -> dict[Key, float]:
        """The counts of `since` and later days; nothing where none were ever made."""
        if not self._path.exists():
            return {}
        with self._lock, self._open() as connection:
            query = "SELECT language, name, SUM(value) FROM counts WHERE day >= ? GROUP BY language, name"
            found = connection.execute(query, (since.isoformat(),)).fetchall()
        return {Key(language, name): value for language, name, value in found}

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        try:
            connection = self._connected()
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):  # locked, or no access: not the content's fault
                raise
            log.warning("%s was unreadable and is begun anew: %s", self._path, error)
            with suppress(FileNotFoundError):
                self._path.replace(self._path.with_suffix(".broken"))
            connection = self._connected()
        with closing(connection), connection:
            yield connection

    def _connected(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=_BUSY_S)
        try:
            connection.execute(_SCHEMA)
        except BaseException:
            connection.close()
            raise
        return connection
