"""One request while it waits: woken by its generation, by a newer request, or by its deadline."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from aix_lsp.completion.generation import Generation
from aix_lsp.completion.request import CompletionRequest, ContentModified, Superseded


class PendingRequest:
    """The waiting side of a request. Used on the event loop only."""

    def __init__(self, request: CompletionRequest, clock: Callable[[], float], seconds: float) -> None:
        self.request = request
        self.started = clock()
        self.deadline = self.started + seconds
        self.generation: Generation | None = None
        self._clock = clock
        self._woken = asyncio.Event()
        self._superseded = False
        self._outdated = False

    @property
    def late(self) -> bool:
        """Whether the deadline has come."""
        return self._clock() >= self.deadline

    @property
    def elapsed_ms(self) -> float:
        return (self._clock() - self.started) * 1000

    def watch(self, generation: Generation) -> None:
        """Be woken when the generation changes, instead of the one before."""
        self.leave()
        self.generation = generation
        generation.typed_along = False
        generation.watchers.add(self._wake)

    def leave(self) -> None:
        """Watch nothing any more."""
        if self.generation is not None:
            self.generation.watchers.discard(self._wake)

    def supersede(self) -> None:
        """A newer request has taken this one's place."""
        self._superseded = True
        self.leave()
        self._wake()

    def outdate(self) -> None:
        """The document went on, at this request's place, other than what was generated for it."""
        self._outdated = True
        self._wake()

    def check(self) -> None:
        """Raises Superseded or ContentModified where this request has become useless."""
        if self._superseded:
            raise Superseded
        if self._outdated or (self.generation is not None and self.generation.diverged):
            raise ContentModified

    async def wait(self, until: float) -> None:
        """Return when woken since the last wait, or at `until` on the clock."""
        left = until - self._clock()
        if left > 0:
            try:
                async with asyncio.timeout(left):
                    await self._woken.wait()
            except TimeoutError:
                pass
        self._woken.clear()

    def _wake(self) -> None:
        self._woken.set()
