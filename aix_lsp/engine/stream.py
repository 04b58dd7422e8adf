"""Carries one request's events from the engine's thread to a coroutine. Knows event loops, no scheduling or text."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from itertools import groupby

from aix_lsp.engine.events import Event, Failed, Finished, Piece, joined

Ended = Callable[[Finished | Failed], None]


class EventStream(AsyncIterator[Event]):
    """The events of one request in order; ends after the terminal one (Finished or Failed).

    Pieces of a candidate that are ready together are merged. Closing the stream cancels the request; the terminal event
    still comes, for those who continue to iterate.
    """

    def __init__(self, cancel: Callable[[], None], told_end: Ended | None = None) -> None:
        self.loop = asyncio.get_running_loop()
        self._cancel = cancel
        self._told_end = told_end
        self._events: deque[Event] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._ended = False

    def feed(self, events: Iterable[Event]) -> None:
        """Add events. Called on the loop."""
        for event in events:
            self._events.append(event)
            if self._told_end is not None and isinstance(event, Finished | Failed):
                self._told_end(event)
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def batch(self) -> list[Event]:
        """All events available, at least one. Must not be called after the terminal one."""
        while not self._events:
            self._waiter = self.loop.create_future()
            await self._waiter
        events: list[Event] = []
        for index, run in groupby(self._events, _candidate):
            if index is None:
                events += run
            else:
                events.append(joined([event for event in run if isinstance(event, Piece)]))
        self._events.clear()
        return events

    async def __anext__(self) -> Event:
        if self._ended:
            raise StopAsyncIteration
        if not self._events:
            self._events.extend(await self.batch())
        event = self._events.popleft()
        self._ended = isinstance(event, Finished | Failed)
        return event

    def cancel(self) -> None:
        """End the request as soon as possible; no effect if it has ended."""
        self._cancel()

    async def aclose(self) -> None:
        """Cancel the request and discard its events."""
        self.cancel()
        self._ended = True


def _candidate(event: Event) -> int | None:
    return event.index if isinstance(event, Piece) else None


class EventOutbox:
    """Collects a step's events, and wakes each event loop once for all of them."""

    def __init__(self) -> None:
        self._events: dict[EventStream, list[Event]] = {}

    def post(self, stream: EventStream, event: Event) -> None:
        """Add an event, to be delivered by the next `flush`."""
        self._events.setdefault(stream, []).append(event)

    def flush(self) -> None:
        """Deliver all events."""
        if not self._events:
            return
        batches: dict[asyncio.AbstractEventLoop, list[tuple[EventStream, list[Event]]]] = {}
        for stream, events in self._events.items():
            batches.setdefault(stream.loop, []).append((stream, events))
        self._events = {}
        for loop, batch in batches.items():
            try:
                loop.call_soon_threadsafe(_deliver, batch)
            except RuntimeError:  # the loop is closed: nobody listens any more
                continue


def _deliver(batch: list[tuple[EventStream, list[Event]]]) -> None:
    for stream, events in batch:
        stream.feed(events)
