"""Starts a builder's process for a workspace folder, follows it, and ends it. Reads no index."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from aix_lsp import processes

Progress = Callable[[int, int], None]


class Builder:
    """A builder that runs. `progress` is called on a thread of its own."""

    def __init__(
        self,
        root: Path,
        database: Path,
        exclude: Sequence[str],
        progress: Progress,
        ended: Callable[[], None],
    ) -> None:
        self._process = processes.start(
            "aix_lsp.completion.context.index.build",
            str(root),
            str(database),
            json.dumps(exclude),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._thread = threading.Thread(target=self._follow, args=(progress, ended), daemon=True)
        self._thread.start()

    def _follow(self, progress: Progress, ended: Callable[[], None]) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            done, of = map(int, line.split())
            progress(done, of)
        self._process.wait()
        ended()

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def end(self) -> None:
        """End it now. What it has done stays."""
        if self.running:
            self._process.terminate()
        self._thread.join(5)
