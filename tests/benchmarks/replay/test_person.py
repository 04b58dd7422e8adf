"""A simulated person with a server that always suggests the right text: their actions, in order."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.replay.person import READING_S, Person
from benchmarks.replay.plans import Plan
from benchmarks.replay.sides import Offer
from benchmarks.scripts import Piece, Script
from tests.client.buffer import Buffer

TEXT = "first = 1\nsecond = first + 1\n"


class Answer:
    """An answer that is there at once."""

    first_ms = final_ms = 0.0

    def __init__(self, offer: Offer) -> None:
        self.offer = offer
        self.offers = (offer,)

    async def settled(self, within: float) -> None:
        pass


class Knowing:
    """A side that always suggests the rest of the line."""

    name = "knowing"

    def __init__(self) -> None:
        self.heard: list[object] = []

    async def enter(self, workspace: Path) -> None: ...

    async def leave(self) -> None: ...

    def open(self, buffer: Buffer) -> None: ...

    def changed(self, buffer: Buffer, changes: Sequence[dict[str, Any]]) -> None:
        self.heard += [change["text"] for change in changes]

    def close(self, buffer: Buffer) -> None: ...

    def ask(self, buffer: Buffer) -> Answer:
        return Answer(Offer(TEXT[buffer.cursor : -1], id="1"))

    async def meanwhile(self, within: float) -> None:
        self.heard.append(within)

    def tell(self, event: str, offer: Offer, characters: int = 0) -> None:
        self.heard.append(event)

    async def counts(self) -> dict[str, float]:
        return {}


async def test_a_right_suggestion_is_read_and_then_accepted() -> None:
    side = Knowing()
    plan = Plan(Script("a.py", TEXT, (Piece(10, len(TEXT) - 1),)), "python", "    ")
    work = await Person(side, plan, "file:///a.py", "seed", 1.0).work_through()
    assert side.heard == ["s", "Show", READING_S, "econd = first + 1", "Accept"]
    assert work.finished
    assert (work.keys, work.taken) == (2, len("econd = first + 1"))
