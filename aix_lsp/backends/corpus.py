"""Sends our engine the texts that a request refers to by digest, each once. Knows no files and no cursors."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from weakref import WeakKeyDictionary

from aix_lsp.backends.base import BackendError, CorpusText
from aix_lsp.backends.client import HttpClient

log = logging.getLogger(__name__)

_AGAIN_S = 600.0
"""A text that went unused for so long is sent again: the engine may have dropped it."""
_MOST_CHARS = 256 << 10
"""Of one message: JSON may take six bytes for each, and the engine takes 2 MiB."""


class CorpusUploader:
    """Keeps track of what each engine has been sent. A restarted engine has a client of its own, and knows nothing."""

    def __init__(self) -> None:
        self._used: WeakKeyDictionary[HttpClient, dict[str, float]] = WeakKeyDictionary()
        self._sending: asyncio.Task[None] | None = None

    def provide(self, client: HttpClient, texts: Sequence[CorpusText]) -> None:
        """Have the engine know these texts soon. Returns at once; a request that comes before them passes them by."""
        used, now = self._used.setdefault(client, {}), time.monotonic()
        due = []
        for text in texts:
            if now - used.get(text.digest, -_AGAIN_S) >= _AGAIN_S:
                due.append(text)
            else:
                used[text.digest] = now
        if due and (self._sending is None or self._sending.done()):
            self._sending = asyncio.create_task(self._send(client, due, used))

    async def _send(self, client: HttpClient, texts: Sequence[CorpusText], used: dict[str, float]) -> None:
        url = client.address.at("/aix/corpus")
        try:
            for some in _by_size(texts):
                await client.post(url, {"texts": [text.text for text in some]})
                used.update(dict.fromkeys((text.digest for text in some), time.monotonic()))
        except BackendError as error:
            log.debug("corpus texts could not be uploaded: %s", error)

    async def close(self) -> None:
        """Send no more."""
        if self._sending is not None:
            self._sending.cancel()
            await asyncio.gather(self._sending, return_exceptions=True)


def _by_size(texts: Sequence[CorpusText]) -> list[list[CorpusText]]:
    groups: list[list[CorpusText]] = []
    size = _MOST_CHARS
    for text in texts:
        size += len(text.text)
        if size > _MOST_CHARS:
            groups.append([])
            size = len(text.text)
        groups[-1].append(text)
    return groups
