"""Slows running engines down to a slow machine's speed, so that text comes in pieces. Knows no editor."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

from tests.client.engine_watch import engine_pids

RUNS_S, RESTS_S = 0.003, 0.06

GROWING = (
    "def mean(values):\n    total = 0\n    for value in values:\n        ",
    "class Stack:\n    def __init__(self):\n        self.items = []\n\n    def push(self, item):\n        ",
    "import os\n\n\ndef read(path):\n    ",
    "class Point:\n    def __init__(self, x, y):\n        self.x = x\n        ",
    "def parse(text):\n    if not isinstance(text, str):\n        ",
)
"""Texts after which the embedded model writes several words."""


@contextlib.contextmanager
def slowed_engine(home: Path) -> Iterator[None]:
    """Within this context, the engines of `home` (one per model) run for a twentieth of the time."""
    over = threading.Event()
    throttles = [threading.Thread(target=_throttle, args=(pid, over)) for pid in engine_pids(home)]
    assert throttles, f"no engine runs for {home}"
    for throttle in throttles:
        throttle.start()
    try:
        yield
    finally:
        over.set()
        for throttle in throttles:
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
