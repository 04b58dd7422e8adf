"""Records each user's usage by day, in SQLite. Numbers only: no texts, no paths.

During a hand-over, two processes write at the same time: each adds what it has counted.
"""

from __future__ import annotations

import csv
import io
import json
import logging
import sqlite3
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Literal

from aix_lsp.files import is_regular

log = logging.getLogger(__name__)

COLUMNS = ("requests", "refused", "failed", "prompt_tokens", "cached_tokens", "completion_tokens")
_FLUSH_EVERY_S = 5.0
_BUSY_S = 5.0
_VERSION = 1


class UsageError(Exception):
    """The database cannot be used. The message is for the administrator."""


class UsageLog:
    """Counts in memory, and adds to the database every few seconds on a thread of its own."""

    def __init__(self, path: Path) -> None:
        """Raises UsageError."""
        self._path = path
        self._lock = threading.Lock()
        self._counts: defaultdict[tuple[str, str], dict[str, int]] = defaultdict(
            lambda: dict.fromkeys(COLUMNS, 0)
        )
        self._closing = threading.Event()
        with _database(path):
            pass
        self._thread = threading.Thread(target=self._run, name="usage", daemon=True)
        self._thread.start()

    def add(self, user: str, **counts: int) -> None:
        """Add to a user's counts for today (UTC)."""
        day = time.strftime("%Y-%m-%d", time.gmtime())
        with self._lock:
            found = self._counts[day, user]
            for name, count in counts.items():
                found[name] += count

    def close(self) -> None:
        """Write what has not been written yet; takes a few seconds at most."""
        self._closing.set()
        self._thread.join(2 * _BUSY_S)

    def _run(self) -> None:
        while not self._closing.wait(_FLUSH_EVERY_S):
            self.flush()
        self.flush()

    def flush(self) -> None:
        """Write what was counted since the last call. If that fails, it is kept for the next call."""
        with self._lock:
            counts, self._counts = self._counts, defaultdict(lambda: dict.fromkeys(COLUMNS, 0))
        if not counts:
            return
        try:
            with _database(self._path) as database, database:
                database.executemany(_ADD, [(*key, *found.values()) for key, found in counts.items()])
        except (UsageError, sqlite3.Error) as error:
            log.error("usage could not be written and is retried: %s", error)
            for (_, user), found in counts.items():
                self.add(user, **found)


_ADD = (
    f"INSERT INTO usage (day, user, {', '.join(COLUMNS)}) VALUES (?, ?{', ?' * len(COLUMNS)}) ON CONFLICT (day, user) "
    f"DO UPDATE SET {', '.join(f'{name} = {name} + excluded.{name}' for name in COLUMNS)}"
)


@contextmanager
def _database(path: Path) -> Iterator[sqlite3.Connection]:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.exists() and not is_regular(path):
            raise OSError("it is not a regular file")  # SQLite would wait for a pipe
        with closing(sqlite3.connect(path, timeout=_BUSY_S)) as database:
            database.execute("PRAGMA journal_mode = WAL")
            version = database.execute("PRAGMA user_version").fetchone()[0]
            if version > _VERSION:
                raise UsageError(f"{path} is from a newer version of aix-lsp; use --usage for another one")
            columns = ", ".join(f"{name} INTEGER NOT NULL" for name in COLUMNS)
            database.execute(
                f"CREATE TABLE IF NOT EXISTS usage (day TEXT, user TEXT, {columns}, PRIMARY KEY (day, user)) STRICT"
            )
            database.execute(f"PRAGMA user_version = {_VERSION}")
            yield database
    except (sqlite3.Error, OSError) as error:
        raise UsageError(
            f"the usage database {path} cannot be used: {error}; use --usage for another one"
        ) from error


def rows(path: Path, since: str = "", user: str = "") -> list[dict[str, Any]]:
    """Usage by day and user, from the day `since` (ISO date) on. Raises UsageError."""
    query = f"SELECT day, user, {', '.join(COLUMNS)} FROM usage WHERE day >= ? AND (? = '' OR user = ?) ORDER BY 1, 2"
    with _database(path) as database:
        found = database.execute(query, (since, user, user)).fetchall()
    return [dict(zip(("day", "user", *COLUMNS), row, strict=True)) for row in found]


def export(found: list[dict[str, Any]], form: Literal["csv", "json"]) -> str:
    """Rows as CSV or JSON."""
    if form == "json":
        return json.dumps(found, indent=1)
    text = io.StringIO()
    writer = csv.DictWriter(text, ("day", "user", *COLUMNS))
    writer.writeheader()
    # A name that a spreadsheet would take for a formula is not a valid name (users.add).
    writer.writerows(found)
    return text.getvalue()
