"""The sides of a comparison: sources of suggestions for the simulated user. Knows nothing of typing or acceptance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from tests.client.buffer import Buffer


@dataclass(frozen=True)
class Offer:
    """A suggestion as seen by a person: text to insert at the cursor, replacing `replaces` characters to its right."""

    text: str
    replaces: int = 0
    reused: bool = False
    """Whether it was answered without calling the model."""
    id: str = ""


NOTHING = Offer("")


class SideRequest(Protocol):
    """A request for a suggestion. Times are in milliseconds since it was sent; None until the event happens."""

    @property
    def first_ms(self) -> float | None: ...

    @property
    def final_ms(self) -> float | None: ...

    @property
    def offer(self) -> Offer:
        """The suggestion so far; must be read before the buffer is changed."""
        ...

    @property
    def offers(self) -> Sequence[Offer]:
        """All candidates, `offer` first; empty before there is an answer, or if that is empty."""
        ...

    async def settled(self, within: float) -> None:
        """Wait for the end of the answer, for at most `within` seconds."""


class Side(Protocol):
    """One of the things compared."""

    name: str

    async def enter(self, workspace: Path) -> None:
        """Start working in a folder."""

    async def leave(self) -> None:
        """Stop working in the folder."""

    def open(self, buffer: Buffer) -> None: ...

    def changed(self, buffer: Buffer, changes: Sequence[dict[str, Any]]) -> None: ...

    def close(self, buffer: Buffer) -> None: ...

    def ask(self, buffer: Buffer) -> SideRequest:
        """Request a suggestion at the cursor; an earlier unanswered request is cancelled."""
        ...

    async def meanwhile(self, within: float) -> None:
        """While the person reads, wait for work done in advance, for at most `within` seconds."""

    def tell(self, event: str, offer: Offer, characters: int = 0) -> None:
        """Report an action of the person: "Show", "Accept", "PartiallyAccept"."""

    async def counts(self) -> dict[str, float]:
        """Calls, prompt_tokens, cached_tokens, tokens and wasted_tokens since the folder was entered.

        If the side knows, also the number of answers (answered), and of those from a call that was already running for
        an earlier key (joined).
        """
        ...
