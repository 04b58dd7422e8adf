"""Makes a running engine as slow as a slow machine's, so that an editor gets its text in pieces. Asserts nothing."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

from benchmarks.engine_watch import engine_pids

RUNS_S, RESTS_S = 0.003, 0.06

GROWING = (
    "def mean(values):\n    total = 0\n    for value in values:\n        ",
    "class Stack:\n    def __init__(self):\n        self.items = []\n\n    def push(self, item):\n        ",
    "import os\n\n\ndef read(path):\n    ",
    "def area(width, height):\n    ",
)
"""Places where the embedded model writes several words."""


@contextlib.contextmanager
def slowed_engine(home: Path) -> Iterator[None]:
    """The engine of `home` runs for a twentieth of the time while this is entered."""
    [pid] = engine_pids(home)
    over = threading.Event()
    throttle = threading.Thread(target=_throttle, args=(pid, over))
    throttle.start()
    try:
        yield
    finally:
        over.set()
        throttle.join()


def _throttle(pid: int, over: threading.Event) -> None:
    with contextlib.suppress(ProcessLookupError):
        try:
            while not over.is_set():
                os.kill(pid, signal.SIGSTOP)
                over.wait(RESTS_S)
                os.kill(pid, signal.SIGCONT)
                over.wait(RUNS_S)
        finally:
            os.kill(pid, signal.SIGCONT)
