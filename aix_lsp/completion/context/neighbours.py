"""Collects the texts around a document's window for recall: the rest of the document, and the nearest files.

The engine searches them for continuations of the words before the cursor; no model reads them, so they may be long.
They are read on a thread, for later requests.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

from aix_lsp.backends.base import CorpusText
from aix_lsp.completion.context.files import LARGEST, entries, passed_by, read_source
from aix_lsp.completion.text import DocumentSnapshot
from aix_lsp.files import on_thread
from aix_lsp.fim.reading import LineColumn, read, read_back
from aix_lsp.fim.window import Window
from aix_lsp.languages import indexed_language, related
from aix_lsp.privacy.documents import PATIENCE_S, without_secrets
from aix_lsp.privacy.policy import Privacy
from aix_lsp.privacy.secrets import Redacted, encodable
from aix_lsp.settings import Settings

_CHARS = 200_000
"""Of other files. More text adds few matches, and finding one may take longer than the model takes for a token."""
_OWN_CHARS = 30_000
_MOST_FOLDERS, _MOST_FILES = 100, 400
_STALE_S = 30.0

Stamp = tuple[int, int]


@dataclass(frozen=True, slots=True)
class _Text:
    """A text as it is sent to an engine, and the placeholders for its secrets."""

    corpus_text: CorpusText
    placeholders: tuple[str, ...]

    @classmethod
    def of(cls, source: Redacted) -> _Text:
        return cls(CorpusText.of(source.text), source.placeholders)


@dataclass(slots=True)
class _State:
    """What is known for one document."""

    part: tuple[LineColumn, LineColumn] | None = None
    """The part of the document that is in the window: `own` is the text before and after it."""
    known: bool = False
    own: tuple[_Text, ...] = ()
    files: tuple[_Text, ...] = ()
    read_at: float = -_STALE_S
    reading: asyncio.Task[None] | None = None

    @property
    def corpus_texts(self) -> tuple[CorpusText, ...]:
        return tuple(text.corpus_text for text in (*self.own, *self.files))


class Neighbours:
    """The texts beside one client's documents."""

    def __init__(
        self, place: Callable[[str], tuple[Path, str] | None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`place` returns the workspace folder of a document's URI and the path relative to it."""
        self._place = place
        self._clock = clock
        self._states: dict[str, _State] = {}
        self._seen: dict[Path, tuple[Stamp, _Text | None]] = {}

    def texts(
        self, document: DocumentSnapshot, window: Window, position: LineColumn, settings: Settings
    ) -> tuple[CorpusText, ...]:
        """The texts read so far, farthest file last. Those that may have changed are read again in the background."""
        state = self._states.setdefault(document.uri, _State())
        part = (window.left, (position[0] + window.suffix.count("\n") + 2, 0))
        if state.part != part:
            # Text that was outside the last window may be the cursor's own line now.
            state.part, state.known, state.own = part, False, ()
        elif state.known and self._clock() - state.read_at < _STALE_S:
            return state.corpus_texts
        if state.reading is None:
            state.reading = asyncio.create_task(self._read(state, part, document, settings))
        return state.corpus_texts

    def placeholders(self, uri: str) -> tuple[str, ...]:
        """The placeholders for secrets in a document's texts."""
        state = self._states.get(uri)
        texts = (*state.own, *state.files) if state is not None else ()
        return tuple(chain.from_iterable(text.placeholders for text in texts))

    def closed(self, uri: str) -> None:
        """Discard what was read for a document."""
        state = self._states.pop(uri, None)
        if state is not None and state.reading is not None:
            state.reading.cancel()
        if not self._states:
            self._seen.clear()

    async def close(self) -> None:
        """Stop reading."""
        readings = [state.reading for state in self._states.values() if state.reading is not None]
        for uri in list(self._states):
            self.closed(uri)
        await asyncio.gather(*readings, return_exceptions=True)

    async def _read(
        self,
        state: _State,
        part: tuple[LineColumn, LineColumn],
        document: DocumentSnapshot,
        settings: Settings,
    ) -> None:
        try:
            own = await on_thread(_around, document, part)
            if self._clock() - state.read_at >= _STALE_S:
                place = self._place(document.uri)
                if place is not None:
                    state.files = await on_thread(self._files, *place, document.language, settings)
                state.read_at = self._clock()
            if state.part == part:
                state.known, state.own = True, own
        finally:
            state.reading = None

    def _files(self, root: Path, path: str, language: str, settings: Settings) -> tuple[_Text, ...]:
        """The nearest files of the document's language, as many as fit."""
        privacy = Privacy(lambda: [root])
        found: list[_Text] = []
        left = _CHARS
        for file in islice(_near(root, path, language, privacy), _MOST_FILES):
            if left <= 0:
                break
            if privacy.inactive_reason(file.as_uri(), settings) is None and (text := self._text(file)):
                found.append(text)
                left -= len(text.corpus_text.text)
        return tuple(found)

    def _text(self, file: Path) -> _Text | None:
        """A file's text; read again only if the file has changed."""
        try:
            info = file.stat()
        except OSError:
            return None
        stamp = (info.st_mtime_ns, info.st_size)
        seen = self._seen.get(file)
        if seen is None or seen[0] != stamp:
            source = read_source(file) if info.st_size <= LARGEST else None
            seen = self._seen[file] = stamp, _Text.of(source) if source and source.text else None
        return seen[1]


def _around(document: DocumentSnapshot, part: tuple[LineColumn, LineColumn]) -> tuple[_Text, ...]:
    """The text before and after a part of a document, without secrets."""
    text, found = without_secrets(document.text, document.language, part[0][0], within_s=PATIENCE_S)
    before, after = read_back(text, part[0], _OWN_CHARS), ""
    if part[1][0] < text.line_count:
        text, more = without_secrets(document.text, document.language, part[1][0], within_s=PATIENCE_S)
        after, found = read(text, part[1], text.line_count, _OWN_CHARS), (*found, *more)
    return tuple(
        _Text.of(Redacted(side, tuple(each for each in found if each in side)))
        for side in map(encodable, (before, after))
        if side.strip()
    )


def _near(root: Path, path: str, language: str, privacy: Privacy) -> Iterator[Path]:
    """The other files whose code a document may use: those of its folder first, then folder by folder outwards."""
    own = root / path
    folders, met = deque([own.parent]), {own.parent}
    for _ in range(_MOST_FOLDERS):
        if not folders:
            return
        folder = folders.popleft()
        files, below = _entries(folder, privacy)
        yield from (f for f in files if f != own and related(language, indexed_language(f.name)))
        around = below if folder == root else [*below, folder.parent]
        folders.extend(other for other in around if other not in met)
        met.update(around)


def _entries(folder: Path, privacy: Privacy) -> tuple[Sequence[Path], Sequence[Path]]:
    """A folder's (files, subfolders) that were written by hand, sorted by name, without links."""
    found = entries(folder)
    files = [folder / name for name, is_folder in found if not is_folder and indexed_language(name)]
    folders = [folder / name for name, is_folder in found if is_folder and not passed_by(name)]
    return files, [each for each in folders if not privacy.ignores_folder(each)]
