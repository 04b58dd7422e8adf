"""The index's process: reads and writes one JSON object per line, and exits when standard input is closed.

In: {"do": "open", "root", "database", "exclude"} (again to look for changes), {"do": "close", "root"},
{"do": "changed", "root", "paths"}, {"do": "gather", "id", "root", "sources", …the fields of Query}.
Out: {"id", "snippets": [{"source", "rank", …the fields of Excerpt}]} for each gather; {"root", "done", "of"} while a
folder is indexed and {"root", "indexed": true} when it has been.
"""

from __future__ import annotations

import json
import logging
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

from aix_lsp import processes
from aix_lsp.completion.context.index.reader import IndexReader, Query
from aix_lsp.completion.context.index.scan import Gate, update
from aix_lsp.completion.context.index.searches import MOST, SEARCHES
from aix_lsp.completion.context.index.store import Damaged, Store, delete_index

log = logging.getLogger(__name__)

_MOST_SKIPPED = 50
_MANY = 100
"""If this many files change at once, as when another branch is checked out, a scan is quicker."""
_BEGIN_AGAIN_S = 5.0
"""If an index is damaged again within this time, rebuilding it does not help."""

Progress = Callable[[int, int], None]


class WorkerConnection:
    """Serves requests about the open workspace folders. Used on one thread."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._writing = threading.Lock()
        self._folders: dict[str, IndexedFolder] = {}

    def serve(self, lines: Iterable[str]) -> None:
        """Handle messages until there are no more lines."""
        try:
            for line in lines:
                self._handle(json.loads(line))
        finally:
            for folder in self._folders.values():
                folder.close()

    def _handle(self, message: Mapping[str, Any]) -> None:
        root = message["root"]
        if message["do"] == "open":
            self._close(root)
            self._folders[root] = IndexedFolder(
                root, Path(message["database"]), message["exclude"], self._send
            )
        elif message["do"] == "close":
            self._close(root)
        elif message["do"] == "changed" and root in self._folders:
            self._folders[root].changed(message["paths"])
        elif message["do"] == "gather":
            folder = self._folders.get(root)
            query = Query(**{name: message[name] for name in ("path", "language", "head", "before", "after")})
            try:
                snippets = folder.gather(query, message["sources"]) if folder is not None else []
            except Exception:
                log.exception("a search failed unexpectedly")
                snippets = []
            self._send({"id": message["id"], "snippets": snippets})

    def _close(self, root: str) -> None:
        folder = self._folders.pop(root, None)
        if folder is not None:
            folder.close()

    def _send(self, message: Mapping[str, Any]) -> None:
        with self._writing:
            self._out.write(json.dumps(message) + "\n")
            self._out.flush()


class IndexedFolder:
    """One workspace folder: its index, which is rebuilt if damaged, and its builder."""

    def __init__(self, root: str, database: Path, exclude: Sequence[str], send: Any) -> None:
        self._root, self._database, self._exclude = Path(root), database, exclude
        self._send = send
        self._gate = Gate(self._root, exclude)
        self._reader: IndexReader | None = None
        self._began = 0.0
        self._again = False
        """Whether to scan the folder once more."""
        self._skip: list[str] = []
        """Files that killed a builder."""
        self._starting = threading.Lock()
        self._closed = False
        self._builder = self._build()

    def gather(self, query: Query, sources: Sequence[str]) -> list[dict[str, Any]]:
        """What the sources find, each source's best first."""
        found: list[dict[str, Any]] = []
        try:
            index = self._opened()
            for source in sources:
                excerpts = islice(SEARCHES[source](query, index), MOST)
                found += [
                    {"source": source, "rank": rank, **asdict(excerpt)}
                    for rank, excerpt in enumerate(excerpts)
                ]
            stale = list(index.stale)
            index.stale.clear()
            self.changed(stale)
        except Damaged as damage:
            self._begin_again(damage)
        except sqlite3.OperationalError as error:
            log.info("the index of %s cannot be queried now: %s", self._root, error)
        return found

    def changed(self, paths: Sequence[str]) -> None:
        """Reindex some files, or scan the folder if that is quicker."""
        if len(paths) > _MANY:
            self._again = True
            paths = ()
        if self._again and not self._builder.running:
            self._again, self._builder = False, self._build()
        try:
            index = self._opened()
            for path in paths:
                update(index.store, self._gate, path)
        except Damaged as damage:
            self._begin_again(damage)
        except sqlite3.OperationalError as error:
            log.info("the index of %s cannot be updated now: %s", self._root, error)

    def close(self) -> None:
        with self._starting:
            self._closed = True
        self._builder.end()
        self._forget()

    def _opened(self) -> IndexReader:
        if self._reader is not None and self._reader.store.replaced:
            self._forget()
        if self._reader is None:
            self._reader = IndexReader(Store(self._database), self._gate)
        return self._reader

    def _forget(self) -> None:
        if self._reader is not None:
            self._reader.store.close()
            self._reader = None

    def _begin_again(self, damage: Damaged) -> None:
        log.warning("the index of %s is damaged (%s) and is being rebuilt", self._root, damage)
        self._forget()
        if not self._builder.running and time.monotonic() > self._began + _BEGIN_AGAIN_S:
            delete_index(self._database)
            self._builder = self._build()

    def _build(self) -> Builder:
        self._began = time.monotonic()
        root = str(self._root)
        return Builder(
            self._root,
            self._database,
            self._exclude,
            self._skip,
            lambda done, of: self._send({"root": root, "done": done, "of": of}),
            self._ended,
        )

    def _ended(self, file: str) -> None:
        """Continue without a file that killed a builder by a crash or by its time. Called on the builder's thread."""
        if file and len(self._skip) < _MOST_SKIPPED:
            log.warning("%s in %s cannot be parsed and is not indexed", file, self._root)
            self._skip.append(file)
            with self._starting:
                if not self._closed:
                    self._builder = self._build()
                    return
        self._send({"root": str(self._root), "indexed": True})


def main() -> None:
    """Serve on standard input and output."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(message)s")
    for stream in (sys.stdin, sys.stdout):
        stream.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
    WorkerConnection(sys.stdout).serve(sys.stdin)


class Builder:
    """A running builder. `progress` is called on a thread of its own."""

    def __init__(
        self,
        root: Path,
        database: Path,
        exclude: Sequence[str],
        skip: Sequence[str],
        progress: Progress,
        ended: Callable[[str], None],
    ) -> None:
        """`ended` is called with the file that killed it, or "" if it ended normally."""
        self._process = processes.start(
            "aix_lsp.completion.context.index.build",
            str(root),
            str(database),
            json.dumps(exclude),
            json.dumps(skip),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._told_to_end = False
        self._thread = threading.Thread(target=self._follow, args=(progress, ended), daemon=True)
        self._thread.start()

    def _follow(self, progress: Progress, ended: Callable[[str], None]) -> None:
        assert self._process.stdout is not None
        file = ""
        for line in self._process.stdout:
            if line.startswith("@"):
                file = json.loads(line[1:])
            else:
                done, of = map(int, line.split())
                progress(done, of)
        status = self._process.wait()
        ended(file if status and not self._told_to_end else "")

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def end(self) -> None:
        """Stop it now. What it has done is kept."""
        self._told_to_end = True
        if self.running:
            self._process.terminate()
        self._thread.join(5)


if __name__ == "__main__":
    main()
