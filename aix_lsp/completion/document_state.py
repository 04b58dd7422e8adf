"""The state of one document: its latest snapshot and its running generations, kept up to date through every edit."""

from __future__ import annotations

import math
import re
from collections import deque
from dataclasses import dataclass

from aix_lsp.completion.cursor import NEAR_AFTER, NEAR_BEFORE, near_after, near_after_forms
from aix_lsp.completion.generation import Generation
from aix_lsp.completion.prompt_budget import ReadAhead
from aix_lsp.completion.request import (
    CompletionContext,
    CompletionRequest,
    ContentModified,
    Debouncer,
    PendingRequest,
)
from aix_lsp.completion.text import Change, DocumentSnapshot, Position, Span, Text, after, follow, typed_in
from aix_lsp.fim.reading import read, read_back
from aix_lsp.fim.window import Window

_REMEMBERED_CHANGES = 64
MOST_TYPED_AHEAD = 24
"""How many characters a typist may be ahead of a running generation before it is given up."""
_PAIRED = re.compile(r"[)\]}>\"'`]{1,4}\Z")


@dataclass(slots=True)
class _Running:
    """A generation and its place in the document as it is now."""

    generation: Generation
    span: Span
    head: str
    """The text between the span's start and the generated text, once the popup's entry is accepted."""
    near_before: str
    near_after: str
    typed: str
    """The initial text in the span: the part of the popup's entry that was already typed, usually none."""


class DocumentState:
    """What the service knows of one document between requests."""

    def __init__(self) -> None:
        self.window: Window | None = None
        """The last one that the backend has read, for a prompt or ahead."""
        self.read_at = -math.inf
        """When it was last used, by the service's clock."""
        self.read_ahead = ReadAhead()
        self.pending_requests: dict[str, PendingRequest] = {}
        """The newest request of each channel."""
        self.debouncer = Debouncer()
        self.latest: DocumentSnapshot | None = None
        """The newest known snapshot; None if the document was not opened."""
        self.closed = False
        """Whether the document, or the service, has been closed, so that nothing may start for it."""
        self._changes: deque[Change] = deque(maxlen=_REMEMBERED_CHANGES)
        self._running: list[_Running] = []
        self._typed: Span | None = None
        """The text typed without moving elsewhere, up to where the last edit ended."""

    @property
    def idle(self) -> bool:
        """Whether nothing is running or waiting for this document."""
        return not self._running and not self.pending_requests and not self.read_ahead.window

    def has_read(self, window: Window, now: float) -> None:
        """Base the next prompt on a window that the backend reads, or has read ahead."""
        self.window, self.read_at = window, now

    def change(self, change: Change) -> None:
        """Apply an edit; generations that it makes useless are cancelled at once."""
        self.latest = change.after
        self._changes.append(change)
        self._note_typing(change)
        self._forget_finished()
        for running in self._running:
            _advance(running, change)

    def typed_before(self, position: Position) -> str:
        """The text typed without moving elsewhere, up to `position`; empty if the last edit ended elsewhere."""
        if self._typed is None or self.latest is None or self._typed.end != position:
            return ""
        return typed_in(self._typed, self.latest.text)

    def _note_typing(self, change: Change) -> None:
        if not change.edits:
            return
        last = change.edits[-1]
        end = after(last.start, last.text)
        typed = follow(self._typed, change.before.text, change.edits) if self._typed else None
        self._typed = typed if typed is not None and typed.end == end else Span(last.start, end)

    def begin(self, generation: Generation, context: CompletionContext) -> None:
        """Track a generation that began at the context's cursor.

        Raises ContentModified if the document has changed since in a way that makes the generation useless.
        """
        document = context.request.document
        text = document.text
        start, end = context.request_start, context.request_position
        span = Span(start, end)
        running = _Running(
            generation,
            span,
            context.selected_text,
            read_back(text, start, NEAR_BEFORE),
            near_after(read(text, end, text.line_count, 2 * NEAR_AFTER)),
            typed_in(span, text),
        )
        for change in self._since(document):
            _advance(running, change)
        if generation.diverged:
            raise ContentModified
        self._forget_finished()
        self._running.append(running)

    def grew(self, generation: Generation) -> None:
        """Cancel a generation if it disagrees with what has been typed meanwhile.

        A request from before that typing has no use for it; a newer one may start another.
        """
        for running in self._running:
            if running.generation is not generation or self.latest is None:
                continue
            if not _still_fits(running, typed_in(running.span, self.latest.text)):
                for pending in self.pending_requests.values():
                    if pending.generation is generation and self._typed_since(pending.request):
                        pending.outdate()
                generation.cancel()

    def drop_strays(self, keep: Generation | None = None) -> None:
        """Cancel generations at positions that no request is for, now or after `keep` is accepted."""
        self._forget_finished()
        for running in self._running:
            generation = running.generation
            after_acceptance = keep is not None and generation.prefetched_for is keep
            if generation is not keep and not generation.watchers and not after_acceptance:
                generation.cancel()

    def cancel_all(self) -> None:
        """Cancel all generations and the requests that wait for them, and stop reading ahead."""
        self.read_ahead.cancel()
        for running in self._running:
            running.generation.diverged = True
            running.generation.cancel()

    def close(self) -> None:
        """Cancel everything, for good: a request that still waits for something begins no generation after that."""
        self.closed = True
        self.cancel_all()
        for pending in self.pending_requests.values():
            pending.outdate()

    def _since(self, document: DocumentSnapshot) -> list[Change]:
        """The changes since `document`'s version. Raises ContentModified if they are not known."""
        if self.latest is None or document.version >= self.latest.version:
            return []
        later = [change for change in self._changes if change.before.version >= document.version]
        if not later or later[0].before.version != document.version:
            raise ContentModified
        return later

    def _typed_since(self, request: CompletionRequest) -> bool:
        """Whether the text at a request's cursor has changed since."""
        position = request.document.text.clamp(request.position)
        span: Span | None = Span(position, position)
        try:
            for change in self._since(request.document):
                span = follow(span, change.before.text, change.edits) if span else None
        except ContentModified:
            return True
        return span is None or span.start != span.end

    def _forget_finished(self) -> None:
        self._running = [running for running in self._running if not running.generation.finished]


def _advance(running: _Running, change: Change) -> None:
    """Apply one change. If it makes the generation useless, mark it as diverged and cancel it."""
    generation = running.generation
    if generation.diverged:
        return  # its span is that of an older text
    text = change.after.text
    span = follow(running.span, change.before.text, change.edits)
    if span is not None and _same_place(running, span, text):
        typed = typed_in(span, text)
        if _still_fits(running, typed):
            generation.typed_along = (
                generation.typed_along or typed_in(running.span, change.before.text) != typed
            )
            running.span = span
            return
    generation.diverged = True
    generation.cancel()


def _same_place(running: _Running, span: Span, text: Text) -> bool:
    if read_back(text, span.start, NEAR_BEFORE) != running.near_before:
        return False
    return running.near_after in near_after_forms(read(text, span.end, text.line_count, 2 * NEAR_AFTER))


def _still_fits(running: _Running, typed: str) -> bool:
    if typed == running.typed:
        return True
    tracks = running.generation.tracks
    return not tracks or any(compatible(running.head + track.raw, typed) for track in tracks)


def compatible(produced: str, typed: str) -> bool:
    """Whether what a running generation has `produced` begins with `typed`, or may come to.

    Brackets and quotes at the end of `typed` may have been added by the editor, to close pairs.
    """
    paired = _PAIRED.search(typed)
    shortest = paired.start() if paired else len(typed)
    for end in range(len(typed), shortest - 1, -1):
        form = typed[:end]
        if produced.startswith(form):
            return True
        if form.startswith(produced) and len(form) - len(produced) <= MOST_TYPED_AHEAD:
            return True
    return False
