"""Brings an index up to date with its workspace folder: new, changed and deleted files.

Which files may be read is decided by privacy/policy.py alone.
"""

from __future__ import annotations

import logging
import sys
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from aix_lsp.completion.context.files import LARGEST, entries, passed_by, read_source
from aix_lsp.completion.context.index.chunks import FileEntry, Stamp, chunks, definitions, words
from aix_lsp.completion.context.index.store import Store
from aix_lsp.grammars import parse
from aix_lsp.languages import indexed_language
from aix_lsp.privacy.policy import Privacy
from aix_lsp.settings import Settings

log = logging.getLogger(__name__)
MOST_FILES = 200_000
_BATCH = 32
"""Files per transaction, which makes other writers wait for about a tenth of a second."""
_LINUX_CHARGED = -8
"""The clock that counts this process's ticks: `MAKE_PROCESS_CPUCLOCK(0, CPUCLOCK_PROF)` in linux/posix-timers.h."""
PROCESSOR_S = 5
"""Seconds of processor time for parsing a file and finding its definitions."""
T = TypeVar("T")
Report = Callable[[int, int], None]


def stamp_of(path: Path) -> Stamp | None:
    """The stamp of a file; None if it is missing, empty or too large."""
    try:
        info = path.stat()
    except (OSError, ValueError):
        return None
    return Stamp(info.st_mtime_ns, info.st_size) if 0 < info.st_size <= LARGEST else None


def entry(root: Path, path: str, stamp: Stamp) -> FileEntry:
    """The entry of a file; empty for a file that is not source code, so that it is not read again."""
    language = indexed_language(path)
    source = read_source(root / path)
    if source is None:
        return FileEntry(path, language, stamp, (), ())
    text = source.text
    lines = text.split("\n")
    with processor_limit():
        tree = parse(text.encode(), language)
        return FileEntry(
            path,
            language,
            stamp,
            [(first, end, words("\n".join(lines[first:end]))) for first, end in chunks(lines, tree)],
            definitions(tree, language) if tree is not None else (),
        )


def _charged_s() -> float:
    """Processor time of this process in seconds, as the limit counts it.

    Linux counts whole ticks for the limit, and nanoseconds for `time.process_time`. In a busy virtual machine the two
    drift apart by a twentieth: after two minutes of work, a limit set by the other clock had already run out.
    """
    if sys.platform == "linux":
        with suppress(OSError):
            return time.clock_gettime(_LINUX_CHARGED)
    return time.process_time()


@contextmanager
def processor_limit() -> Iterator[None]:
    """Have the system kill this process if the body takes more than PROCESSOR_S.

    Nothing else stops a parser or a query that takes quadratic time, and some crash. Whoever started the process
    starts another, which skips the file. Does nothing on Windows.
    """
    if sys.platform == "win32":
        yield
        return
    import resource

    before, most = resource.getrlimit(resource.RLIMIT_CPU)
    wanted = int(_charged_s()) + PROCESSOR_S
    resource.setrlimit(resource.RLIMIT_CPU, (wanted if most < 0 else min(wanted, most), most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_CPU, (before, most))


class Gate:
    """Decides which files of a workspace folder may be read."""

    def __init__(self, root: Path, exclude: Sequence[str]) -> None:
        self.root = root
        self._settings = replace(Settings(), exclude=list(exclude))
        self._privacy = Privacy(lambda: [root])

    def admits(self, path: str) -> bool:
        """Whether a file, given by its path relative to the folder, may enter a prompt."""
        return self._privacy.inactive_reason((self.root / path).as_uri(), self._settings) is None

    def enters(self, folder: str) -> bool:
        """Whether anything in a subfolder may be admitted."""
        return not self._privacy.ignores_folder(self.root / folder)


def scan(
    store: Store,
    gate: Gate,
    report: Report,
    skip: Collection[str] = (),
    begin: Callable[[str], None] = lambda path: None,
) -> None:
    """Bring the index up to date with the folder. `report` is called with the numbers of files done and of all files.

    `begin` is called with each file before it is parsed, which may kill the process (`processor_limit`); files in
    `skip` get an entry without being read.
    """
    known = dict(store.stamps())
    changed: list[tuple[str, Stamp]] = []
    for path, stamp in _files(gate):
        if known.pop(path, None) != stamp:
            changed.append((path, stamp))
            if len(changed) % _BATCH == 1:
                report(0, len(changed))
    _in_batches(store, list(known), store.remove)
    done = 0
    report(done, len(changed))
    for start in range(0, len(changed), _BATCH):
        # Read outside the transaction, since reading is what takes time.
        entries = []
        for path, stamp in changed[start : start + _BATCH]:
            if path in skip:
                entries.append(FileEntry(path, indexed_language(path), stamp, (), ()))
                continue
            begin(path)
            entries.append(entry(gate.root, path, stamp))
        _in_batches(store, entries, store.put)
        done += len(entries)
        report(done, len(changed))
    if changed or known:
        store.begin()
        store.tidy()
        store.commit()
        store.compact()


def update(store: Store, gate: Gate, path: str) -> None:
    """Bring the index up to date with one file."""
    stamp = stamp_of(gate.root / path)
    wanted = stamp is not None and bool(indexed_language(path)) and gate.admits(path)
    if store.stamp(path) == (stamp if wanted else None):
        return
    store.begin()
    if wanted and stamp is not None:
        store.put(entry(gate.root, path, stamp))
    else:
        store.remove(path)
    store.commit()


def _in_batches(store: Store, items: Sequence[T], do: Callable[[T], None]) -> None:
    for start in range(0, len(items), _BATCH):
        store.begin()
        for item in items[start : start + _BATCH]:
            do(item)
        store.commit()


def _files(gate: Gate) -> Iterator[tuple[str, Stamp]]:
    """Every file to be indexed, upper folders first; links are not followed."""
    folders, count = deque([""]), 0
    while folders:
        folder = folders.popleft()
        for name, is_folder in entries(gate.root / folder):
            path = f"{folder}/{name}" if folder else name
            if is_folder:
                if (
                    not passed_by(name)
                    and not (gate.root / path / "pyvenv.cfg").exists()
                    and gate.enters(path)
                ):
                    folders.append(path)
            elif indexed_language(name) and (stamp := stamp_of(gate.root / path)) and gate.admits(path):
                count += 1
                if count > MOST_FILES:
                    log.warning("%s has more than %d files; the rest is not indexed", gate.root, MOST_FILES)
                    return
                yield path, stamp
