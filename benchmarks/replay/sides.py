"""The sides of a comparison: sources of suggestions for the simulated user. Knows nothing of what is typed or
accepted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from tests.client.buffer import Buffer


@dataclass(frozen=True)
class Offer:
    """What a person sees at a moment: text to insert at the cursor, replacing `replaces` characters right of it."""

    text: str
    replaces: int = 0
    reused: bool = False
    """Whether it was answered without the model."""
    id: str = ""


NOTHING = Offer("")


class Asked(Protocol):
    """A request for a suggestion. Times are milliseconds after it was sent; None where it has not come to that."""

    @property
    def first_ms(self) -> float | None: ...

    @property
    def final_ms(self) -> float | None: ...

    @property
    def offer(self) -> Offer:
        """The suggestion so far; to be read before the buffer is changed."""
        ...

    @property
    def offers(self) -> Sequence[Offer]:
        """All that an answer offers, `offer` first; empty before there is an answer, or where it has nothing."""
        ...

    async def settled(self, within: float) -> None:
        """Wait for the end of the answer, at most so many seconds."""


class Side(Protocol):
    """One of the things compared."""

    name: str

    async def enter(self, workspace: Path) -> None:
        """Begin to work in a folder."""

    async def leave(self) -> None:
        """End the work there."""

    def open(self, buffer: Buffer) -> None: ...

    def changed(self, buffer: Buffer, changes: Sequence[dict[str, Any]]) -> None: ...

    def close(self, buffer: Buffer) -> None: ...

    def ask(self, buffer: Buffer) -> Asked:
        """Ask at the cursor; what was asked before and is not answered is cancelled."""
        ...

    async def meanwhile(self, within: float) -> None:
        """A person reads what is shown: wait for what is done in advance, at most so many seconds."""

    def tell(self, event: str, offer: Offer, characters: int = 0) -> None:
        """What the person did: "Show", "Accept", "PartiallyAccept"."""

    async def counts(self) -> dict[str, float]:
        """Calls, prompt_tokens, cached_tokens, tokens and wasted_tokens since the folder was entered.

        Of a side that can say so also how many answers it gave (answered), and how many of them by a call that
        was under way for an earlier key (joined).
        """
        ...
