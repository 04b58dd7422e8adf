"""The process that indexes a workspace folder and exits when it is done.

It runs at idle priority except for its first second, so that small folders are indexed before anyone types in them,
even while the machine is busy loading a model. It writes lines to standard output: "DONE OF" (two numbers of files)
from time to time, and `@` with a file's path as JSON before it parses that file. It exits early if its standard input
is closed; the system kills it if parsing a file takes too long.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
import time
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

from aix_lsp.completion.context.index.scan import Gate, scan
from aix_lsp.completion.context.index.store import Damaged, Store, delete_index
from aix_lsp.files import is_regular, remove

log = logging.getLogger(__name__)

_REPORT_S = 0.2
_BRISK_S = 1.0
"""Seconds of processor time."""
_OLD_S = 90 * 86400


def main() -> None:
    """Arguments: workspace folder, file of the index, and as JSON lists, patterns to exclude and files to skip."""
    root, database = Path(sys.argv[1]), Path(sys.argv[2])
    exclude, skip = json.loads(sys.argv[3]), json.loads(sys.argv[4])
    _keep_no_core()
    threading.Thread(target=_end_with_starter, daemon=True).start()
    _drop_old(database.parent)
    lock = Path(f"{database}.lock")
    if not is_regular(lock):
        remove(lock)  # a folder in its place
    try:
        # Another window's builder does the same work.
        with FileLock(lock, timeout=0):
            build(database, Gate(root, exclude), skip, own_process=True)
    except Timeout:
        log.info("%s is being indexed by another process", root)


def _keep_no_core() -> None:
    """Prevent a core dump, which would write the project's code to disk, if the system kills this process."""
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _begin(path: str) -> None:
    sys.stdout.write(f"@{json.dumps(path)}\n")
    sys.stdout.flush()


def build(database: Path, gate: Gate, skip: Collection[str] = (), *, own_process: bool = False) -> None:
    """Bring the index up to date. An index that is damaged or mostly waste is rebuilt.

    With `own_process`, lowers the process's priority if the work takes long.
    """
    reporter = _Reporter(own_process)
    try:
        _build(database, gate, skip, reporter)
    except Damaged as damage:
        log.warning("the index of %s was damaged (%s) and is being rebuilt", gate.root, damage)
        delete_index(database)
        _build(database, gate, skip, reporter)


def _build(database: Path, gate: Gate, skip: Collection[str], reporter: _Reporter) -> None:
    store = Store(database)
    try:
        store.check()
        if store.wasteful:
            store.close()
            delete_index(database)
            store = Store(database)
        scan(store, gate, reporter, skip, _begin)
    finally:
        store.close()


def _drop_old(folder: Path) -> None:
    """Delete the indexes of folders that have not been opened for a long time."""
    for database in folder.glob("*.db"):
        with suppress(OSError):
            if database.stat().st_mtime < time.time() - _OLD_S:
                delete_index(database)


class _Reporter:
    """Prints progress, not too often; in a dedicated process, lowers its priority after the first second."""

    def __init__(self, own_process: bool) -> None:
        self._last = 0.0
        self._idle = not own_process

    def __call__(self, done: int, of: int) -> None:
        if not self._idle and time.process_time() > _BRISK_S:
            self._idle = True
            run_idle()
        now = time.monotonic()
        if done == of or now - self._last >= _REPORT_S:
            self._last = now
            sys.stdout.write(f"{done} {of}\n")
            sys.stdout.flush()


def _end_with_starter() -> None:
    sys.stdin.read()
    os._exit(0)


def run_idle() -> None:
    """Lower the priority below every other program's. Does nothing in a process that does not lead its session.

    Such a process is not the builder, and its session contains programs that are not ours.
    """
    if sys.platform == "win32":
        import ctypes

        below = 0x00100000  # PROCESS_MODE_BACKGROUND_BEGIN: processor, disk and memory
        ctypes.windll.kernel32.SetPriorityClass(ctypes.windll.kernel32.GetCurrentProcess(), below)
        return
    if os.getsid(0) != os.getpid():
        return
    os.nice(19)
    # If Linux groups processes by session, niceness counts only within the group, so the group needs one too.
    # At 15, it gets a thirtieth of what a busy program gets; at 19, a seventieth, and 2,000 files took four
    # minutes on a machine that was never idle.
    with suppress(OSError):
        Path("/proc/self/autogroup").write_text("15")


if __name__ == "__main__":
    main()
