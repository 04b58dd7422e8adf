"""The server's side of the index process: starts it when first needed, queries it, and restarts it if it dies.

Knows no documents. Nothing here raises, or waits for the process longer than its caller does.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from aix_lsp import paths, processes

log = logging.getLogger(__name__)

_LONGEST_LINE = 1 << 22
_MOST_WAITING = 8
"""Unanswered searches; further ones are not sent."""
_STARTS = 3
"""A process that has died this often is not restarted."""

Progress = Callable[[str, int, int], None]
SearchResults = list[dict[str, Any]]


class IndexClient:
    """A process that searches workspace folders."""

    def __init__(self, progress: Progress, indexed: Callable[[], None]) -> None:
        """`progress` is called with the folder, the number of files done and that of all files; `indexed` at the end.

        When the two numbers are equal, nothing is left to do.
        """
        self._progress = progress
        self._indexed = indexed
        self._process: asyncio.subprocess.Process | None = None
        self._task: asyncio.Task[None] | None = None
        self._starts = 0
        self._closed = False
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[SearchResults]] = {}
        self._open: dict[str, list[str]] = {}

    def open(self, root: Path, exclude: Sequence[str]) -> None:
        """Have a folder indexed; calling it again with the same patterns does nothing."""
        if self._open.get(str(root)) != list(exclude):
            self._open[str(root)] = list(exclude)
            self._send_open(str(root))
        self._start()

    def close_folders(self, but: Sequence[Path]) -> None:
        """Close all folders except these."""
        for root in set(self._open) - set(map(str, but)):
            del self._open[root]
            self._send({"do": "close", "root": root})

    def changed(self, root: Path, files: Sequence[str]) -> None:
        """Have files, given by their paths relative to the folder, indexed again."""
        if str(root) in self._open:
            self._send({"do": "changed", "root": str(root), "paths": list(files)})

    async def gather(self, root: Path, query: Mapping[str, Any]) -> SearchResults:
        """What the sources find; nothing if the process is not running or too busy."""
        if self._process is None or str(root) not in self._open or len(self._waiting) >= _MOST_WAITING:
            return []
        number = next(self._numbers)
        answer: asyncio.Future[SearchResults] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        try:
            self._send({"do": "gather", "id": number, "root": str(root), **query})
            return await answer
        finally:
            self._waiting.pop(number, None)

    async def close(self) -> None:
        """End the process, and the builders with it, for good."""
        self._closed = True
        self._end_input()
        if self._task is not None:
            # Not awaited itself: if our caller gives up, the task must go on to see the process end.
            await asyncio.wait({self._task})

    def _end_input(self) -> None:
        """Tell the process to end."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()

    def _start(self) -> None:
        if self._task is None and self._starts < _STARTS and not self._closed:
            self._starts += 1
            self._task = asyncio.create_task(self._run())
            self._task.add_done_callback(self._ended)

    async def _run(self) -> None:
        try:
            self._process = await processes.start_async(
                "aix_lsp.completion.context.index.worker", limit=_LONGEST_LINE
            )
        except OSError as error:
            log.warning("other files are not searched: %s", error)
            return
        assert self._process.stdout and self._process.stderr
        if self._closed:
            self._end_input()
        for root in self._open:
            self._send_open(root)
        complaints = asyncio.create_task(_log(self._process.stderr))
        try:
            async for line in self._process.stdout:
                self._take(json.loads(line))
        finally:
            self._end_input()
            await self._process.wait()
            await complaints

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._process = self._task = None
        for root in self._open:
            self._progress(root, 0, 0)
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_result([])
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("the search in other files failed", exc_info=error)
        if self._open:
            self._start()

    def _take(self, message: Mapping[str, Any]) -> None:
        if "id" in message:
            answer = self._waiting.get(message["id"])
            if answer is not None and not answer.done():
                answer.set_result(message["snippets"])
        elif message.get("indexed"):
            self._progress(message["root"], 0, 0)
            self._indexed()
        elif "of" in message:
            self._progress(message["root"], message["done"], message["of"])

    def _send_open(self, root: str) -> None:
        self._send({"do": "open", "root": root, "database": str(database(root)), "exclude": self._open[root]})

    def _send(self, message: Mapping[str, Any]) -> None:
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.write(json.dumps(message).encode() + b"\n")


def database(root: str) -> Path:
    """The file of a workspace folder's index: in the user's cache, where it can be deleted at any time."""
    folder = paths.cache_dir() / "context"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder / f"{hashlib.blake2s(root.encode('utf-8', 'replace'), digest_size=8).hexdigest()}.db"


async def _log(lines: asyncio.StreamReader) -> None:
    async for line in lines:
        log.info("search: %s", line.decode("utf-8", "replace").rstrip())
