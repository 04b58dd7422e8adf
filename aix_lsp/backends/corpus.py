"""Uploads the texts that requests refer to by digest to our engine, each once. Knows no files or cursors."""

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
"""A text unused for this long is sent again: the engine may have dropped it."""
_MOST_CHARS = 256 << 10
"""Per message: JSON may take six bytes per character, and the engine accepts 2 MiB."""


class CorpusUploader:
    """Keeps track of what each engine has. A restarted engine has another client, and counts as having nothing."""

    def __init__(self) -> None:
        self._used: WeakKeyDictionary[HttpClient, dict[str, float]] = WeakKeyDictionary()
        self._sending: asyncio.Task[None] | None = None

    def provide(self, client: HttpClient, texts: Sequence[CorpusText]) -> None:
        """Send the engine those texts that it lacks. Returns at once; a request that overtakes them is answered
        without."""
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
        """Stop sending."""
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
