"""The index on disk: which words and names occur in which lines of which file. SQLite, with FTS5 for BM25.

It contains no code: text is read from the files when needed, so that nothing outdated or since ignored is shown.
"""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from aix_lsp.completion.context.files import stem
from aix_lsp.completion.context.index.chunks import Definition, FileEntry, Location, Stamp
from aix_lsp.files import remove

_VERSION = 1
_WAIT_S = 5.0
_CACHE_KIB = 8192
_COMMON = 0.02
"""Words in more than this share of all chunks do not distinguish them, and are the slowest to look up."""
_FEWEST_COMMON = 64
_MOST_ROWS = 20_000
"""The most chunks that one search ranks."""
_MOST_OF_A_NAME = 200
_SCHEMA = """
CREATE TABLE files (
    id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE, stem TEXT NOT NULL, folder TEXT NOT NULL,
    language TEXT NOT NULL, changed INTEGER NOT NULL, size INTEGER NOT NULL
);
CREATE INDEX files_by_stem ON files (stem);
CREATE INDEX files_by_folder ON files (folder);
CREATE TABLE chunks (
    id INTEGER PRIMARY KEY AUTOINCREMENT, file INTEGER NOT NULL, first INTEGER NOT NULL, end INTEGER NOT NULL
);
CREATE INDEX chunks_by_file ON chunks (file);
CREATE TABLE definitions (
    name TEXT NOT NULL, file INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, owner TEXT NOT NULL
);
CREATE INDEX definitions_by_name ON definitions (name);
CREATE INDEX definitions_by_file ON definitions (file);
CREATE VIRTUAL TABLE words USING fts5 (content_words, content='', tokenize="ascii tokenchars '_'");
CREATE VIRTUAL TABLE vocabulary USING fts5vocab (words, 'row');
CREATE TABLE common (word TEXT PRIMARY KEY) WITHOUT ROWID;
"""


class Damaged(Exception):
    """The index cannot be read; it must be deleted and rebuilt."""


class raising_damaged:
    """Turns SQLite's errors about a broken file into Damaged, but not those about a busy database or a full disk."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, sqlite3.DatabaseError) and not _is_transient(error):
            raise Damaged(str(error)) from error


def _is_transient(error: sqlite3.DatabaseError) -> bool:
    text = str(error)
    return isinstance(error, sqlite3.OperationalError) and any(
        word in text for word in ("locked", "busy", "full", "readonly", "unable to open", "interrupted")
    )


def delete_index(path: Path) -> None:
    """Delete an index and SQLite's files beside it, or whatever has their names; links are not followed."""
    for file in _files(path):
        remove(file)


def _files(path: Path) -> list[Path]:
    return [path.with_name(path.name + suffix) for suffix in ("", "-wal", "-shm")]


def _check_files(path: Path) -> None:
    """Raise Damaged unless all are regular files: SQLite would write through a link and wait forever for a pipe."""
    for file in _files(path):
        if os.path.lexists(file) and not stat.S_ISREG(file.lstat().st_mode):
            raise Damaged(f"{file.name} is not a regular file")


class Store:
    """One workspace folder's index. Used on one thread; any method may raise Damaged."""

    def __init__(self, path: Path) -> None:
        """Open or create the index in the file `path`."""
        self.path = path
        _check_files(path)
        with raising_damaged():
            self._db = sqlite3.connect(path, timeout=_WAIT_S, isolation_level=None, check_same_thread=False)
            try:
                self._prepare()
            except BaseException:
                self._db.close()
                raise
        self._file = path.stat().st_ino

    def _prepare(self) -> None:
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        self._db.execute("BEGIN IMMEDIATE")
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version == 0:
            for statement in _SCHEMA.split(";\n"):
                self._db.execute(statement)
            self._db.execute(f"PRAGMA user_version = {_VERSION}")
        self._db.execute("COMMIT")
        if version not in (0, _VERSION):
            raise Damaged(f"the index has form {version}")

    def close(self) -> None:
        self._db.close()

    @property
    def replaced(self) -> bool:
        """Whether another process has deleted this index."""
        try:
            return self.path.stat().st_ino != self._file
        except OSError:
            return True

    def check(self) -> None:
        """Raise Damaged if the file is corrupt; reads all of it."""
        with raising_damaged():
            verdict = self._db.execute("PRAGMA quick_check(1)").fetchone()[0]
        if verdict != "ok":
            raise Damaged(verdict)

    # Writing: between begin and commit

    def begin(self) -> None:
        with raising_damaged():
            self._db.execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        with raising_damaged():
            self._db.execute("COMMIT")

    def put(self, entry: FileEntry) -> None:
        """Store a file's entry, replacing its old one."""
        with raising_damaged():
            self._remove(entry.path)
            folder = PurePosixPath(entry.path).parent.name
            row = (entry.path, stem(entry.path), folder, entry.language, *entry.stamp)
            file = self._db.execute(
                "INSERT INTO files (path, stem, folder, language, changed, size) VALUES (?, ?, ?, ?, ?, ?)",
                row,
            ).lastrowid
            for first, end, words in entry.chunks:
                chunk = self._db.execute(
                    "INSERT INTO chunks (file, first, end) VALUES (?, ?, ?)", (file, first, end)
                ).lastrowid
                self._db.execute(
                    "INSERT INTO words (rowid, content_words) VALUES (?, ?)", (chunk, " ".join(words))
                )
            self._db.executemany(
                "INSERT INTO definitions VALUES (?, ?, ?, ?, ?)",
                ((d.name, file, d.first, d.last, d.owner) for d in entry.definitions),
            )

    def remove(self, path: str) -> None:
        """Remove a file's entry."""
        with raising_damaged():
            self._remove(path)

    def _remove(self, path: str) -> None:
        # The words of deleted chunks stay in the index (FTS5 could only remove them if it were given the text
        # again), and searches skip them; `wasteful` says when that justifies a new index.
        row = self._db.execute("SELECT id FROM files WHERE path = ?", (path,)).fetchone()
        if row is not None:
            for table, column in (("chunks", "file"), ("definitions", "file"), ("files", "id")):
                self._db.execute(f"DELETE FROM {table} WHERE {column} = ?", row)

    def tidy(self) -> None:
        """Update which words are common; to be called after many files were stored."""
        with raising_damaged():
            least = max(_FEWEST_COMMON, int(_COMMON * self._count("chunks")))
            self._db.execute("DELETE FROM common")
            self._db.execute("INSERT INTO common SELECT term FROM vocabulary WHERE doc > ?", (least,))

    def compact(self) -> None:
        """Free the disk space that writing has taken. Must not be called within a transaction."""
        with raising_damaged():
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    @property
    def wasteful(self) -> bool:
        """Whether most of the index is about files that have been deleted or changed since."""
        with raising_damaged():
            ever = self._db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'chunks'").fetchone()
            return ever is not None and ever[0] > 10_000 and ever[0] > 3 * self._count("chunks")

    # Reading

    def stamps(self) -> Iterator[tuple[str, Stamp]]:
        """All files, by path."""
        with raising_damaged():
            for path, changed, size in self._db.execute("SELECT path, changed, size FROM files"):
                yield path, Stamp(changed, size)

    def stamp(self, path: str) -> Stamp | None:
        """A file's stamp; None if it is not indexed."""
        with raising_damaged():
            row = self._db.execute("SELECT changed, size FROM files WHERE path = ?", (path,)).fetchone()
        return Stamp(*row) if row else None

    def named(self, name: str) -> list[str]:
        """The paths of files with this stem."""
        return self._paths("stem", name)

    def in_folder(self, name: str) -> list[str]:
        """The paths of files directly in a folder of this name."""
        return self._paths("folder", name)

    def _paths(self, column: str, value: str) -> list[str]:
        with raising_damaged():
            rows = self._db.execute(
                f"SELECT path FROM files WHERE {column} = ? ORDER BY path LIMIT {_MOST_OF_A_NAME}", (value,)
            )
            return [path for (path,) in rows]

    def definitions_of(self, path: str) -> tuple[Stamp, list[Definition]] | None:
        """A file's stamp and its definitions at that time, in order; None if it is not indexed."""
        stamp = self.stamp(path)
        if stamp is None:
            return None
        with raising_damaged():
            rows = self._db.execute(
                "SELECT name, first, last, owner FROM definitions "
                "WHERE file = (SELECT id FROM files WHERE path = ?) ORDER BY first",
                (path,),
            )
            return stamp, [Definition(*row) for row in rows]

    def defining(self, name: str, most: int) -> list[tuple[Location, str]]:
        """Where a name is defined, each with its owner; empty if it has more than `most` definitions."""
        with raising_damaged():
            rows = self._db.execute(
                "SELECT path, language, changed, size, first, last, owner FROM definitions "
                "JOIN files ON files.id = file WHERE name = ? LIMIT ?",
                (name, most + 1),
            ).fetchall()
        if len(rows) > most:
            return []
        return [
            (Location(path, language, Stamp(changed, size), first, last + 1), owner)
            for path, language, changed, size, first, last, owner in rows
        ]

    def informative(self, words: Sequence[str]) -> list[str]:
        """Those of the words that occur in some chunks but not in most, rarest first."""
        with raising_damaged():
            marks = ", ".join("?" * len(words))
            common = {
                w for (w,) in self._db.execute(f"SELECT word FROM common WHERE word IN ({marks})", words)
            }
            rare = [word for word in words if word not in common]
            marks = ", ".join("?" * len(rare))
            counts = dict(
                self._db.execute(f"SELECT term, doc FROM vocabulary WHERE term IN ({marks})", rare).fetchall()
            )
        found: list[str] = []
        rows = 0
        for word in sorted(counts, key=counts.__getitem__):
            rows += counts[word]
            if rows > _MOST_ROWS and found:
                break
            found.append(word)
        return found

    def matching(self, words: Sequence[str], language: str, limit: int) -> list[Location]:
        """The chunks of a language that match the words best, by BM25, best first."""
        if not words:
            return []
        wanted = " OR ".join(f'"{word}"' for word in words)
        with raising_damaged():
            rows = self._db.execute(
                "SELECT path, language, changed, size, first, end FROM words "
                "JOIN chunks ON chunks.id = words.rowid JOIN files ON files.id = chunks.file "
                "WHERE words MATCH ? AND language = ? ORDER BY words.rank LIMIT ?",
                (wanted, language, limit),
            ).fetchall()
        return [
            Location(path, lang, Stamp(at, size), first, end) for path, lang, at, size, first, end in rows
        ]

    def _count(self, table: str) -> int:
        return int(self._db.execute(f"SELECT count(*) FROM {table}").fetchone()[0])
