"""A person who types a plan's pieces, looks at suggestions, and accepts what is right. Knows no specific servers."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field, replace
from typing import Any

from benchmarks.replay.acceptance import Acceptance, best_acceptance, is_right
from benchmarks.replay.flaws import Flaws, flaws
from benchmarks.replay.plans import Plan
from benchmarks.replay.sides import NOTHING, Offer, Side, SideRequest
from benchmarks.replay.typing_model import Moment, TypingModel, moment_of
from tests.client.typist import Typist

READING_S = 0.25
"""Nobody accepts a suggestion before having seen it: the reaction time for a choice between two options."""
MOST_ACCEPTANCES = 20
"""Successive acceptances without a key between them; more would mean a suggestion that never ends."""


@dataclass(frozen=True)
class Look:
    """What a person saw after one key, or after one acceptance. Times are in milliseconds."""

    first_ms: float | None
    final_ms: float | None
    waited_ms: float
    """How long it was looked at: until the answer or the next key."""
    offer: Offer
    fresh: bool
    """Whether the offer differs from the remainder of the previous one."""
    take: Acceptance | None = None
    flaws: Flaws | None = None
    """For a fresh offer."""
    left: str = ""
    right: str = ""
    """The text to the right of the cursor, on its line."""
    rest: str = ""
    """What was still to be typed there."""


@dataclass
class Work:
    """The result of one plan on one side."""

    looks: list[Look] = field(default_factory=list)
    keys: int = 0
    """Keys pressed, including those that accept."""
    keys_alone: int = 0
    """Keys needed without suggestions."""
    goal: int = 0
    """Characters of all pieces."""
    taken: int = 0
    """Characters that came from suggestions."""
    counts: dict[str, float] = field(default_factory=dict)
    """The side's own counts during the work."""
    finished: bool = False
    """Whether the file ended as it should."""


def keys_alone(plan: Plan, typing_seed: str) -> int:
    """Keys that a plan needs without suggestions, including slips and deletions."""
    buffer, count = plan.buffer(), 0
    for index, piece in enumerate(plan.script.pieces):
        buffer.move(plan.script.place(index))
        if piece.old:
            count += 1
            buffer.replace(buffer.cursor, buffer.cursor + len(piece.old), "")
        goal = plan.script.finished[piece.start : piece.end]
        timing, typist = TypingModel(f"{typing_seed}:{index}"), Typist(buffer, goal)
        while typist.remaining:
            count += 1 + 2 * len(timing.slip(len(goal) - len(typist.remaining), typist.remaining))
            typist.step()
    return count


class Person:
    """Types one plan on one side."""

    def __init__(
        self,
        side: Side,
        plan: Plan,
        uri: str,
        seed: str,
        patience_s: float,
        pauses: float = 1.0,
        whole_pauses: bool = False,
    ) -> None:
        """`seed` determines pauses and slips; answers are awaited for at most `patience_s`."""
        self._side = side
        self._plan = plan
        self._seed = seed
        self._patience_s = patience_s
        self._pauses = pauses
        self._whole_pauses = whole_pauses
        self._seen = NOTHING
        self._since = ""
        self.buffer = plan.buffer(uri)
        self.work = Work(keys_alone=keys_alone(plan, seed))

    async def work_through(self) -> Work:
        """Type everything; the side is told of the buffer's opening and closing."""
        script = self._plan.script
        self._side.open(self.buffer)
        for index, piece in enumerate(script.pieces):
            self.buffer.move(script.place(index))
            goal = script.finished[piece.start : piece.end]
            self.work.goal += len(goal)
            await self._piece(
                goal, piece.old, script.after(index), TypingModel(f"{self._seed}:{index}", self._pauses)
            )
        self._side.close(self.buffer)
        self.work.finished = self.buffer.text == script.finished
        return self.work

    async def _piece(self, goal: str, old: str, wanted: str, timing: TypingModel) -> None:
        """Type one piece at the cursor."""
        self._seen = NOTHING
        typist = Typist(self.buffer, goal)
        if old:
            self._edit(len(old), "")
            await self._look(typist, wanted, timing.pause_s(0, "jump"))
        while typist.remaining:
            place = len(goal) - len(typist.remaining)
            await self._slip(timing.slip(place, typist.remaining), timing, place)
            key, changes = self._press(typist)
            self._side.changed(self.buffer, changes)
            if typist.remaining:
                await self._look(typist, wanted, timing.pause_s(place, _moment(key)))

    def _press(self, typist: Typist) -> tuple[str, list[dict[str, Any]]]:
        self.work.keys += 1
        before = typist.remaining
        key, changes = typist.step()
        self._since += before[: len(before) - len(typist.remaining)]
        return key, changes

    async def _slip(self, wrong: str, timing: TypingModel, place: int) -> None:
        """Type something wrong and delete it again; only at the wrong key is there a look at the suggestion."""
        for char in wrong:
            self._edit(0, char)
            await self._side.ask(self.buffer).settled(min(self._patience_s, timing.pause_s(place, "letter")))
        for _ in wrong:
            self.work.keys += 1
            cursor = self.buffer.cursor
            self._side.changed(self.buffer, [self.buffer.replace(cursor - 1, cursor, "")])
        if wrong:
            self._seen = NOTHING

    def _edit(self, over: int, text: str) -> None:
        """One key that replaces `over` characters to the right of the cursor."""
        self.work.keys += 1
        cursor = self.buffer.cursor
        self._side.changed(self.buffer, [self.buffer.replace(cursor, cursor + over, text)])

    async def _look(self, typist: Typist, wanted: str, pause_s: float) -> None:
        """Look at suggestions until the next key, and accept them as long as they are right."""
        for _ in range(MOST_ACCEPTANCES):
            started = time.perf_counter()
            asked = self._side.ask(self.buffer)
            await asked.settled(min(pause_s, self._patience_s))
            waited_ms = (time.perf_counter() - started) * 1000
            take = await self._see(asked, waited_ms, typist, wanted)
            if take is None or not typist.remaining:
                if self._whole_pauses:
                    natural_s = pause_s / self._pauses
                    await asyncio.sleep(max(0.0, natural_s - (time.perf_counter() - started)))
                return

    async def _see(
        self, asked: SideRequest, waited_ms: float, typist: Typist, wanted: str
    ) -> Acceptance | None:
        rest, left = typist.remaining, self._left()
        offer, take = self._choose(asked, rest, wanted)
        fresh = bool(offer.text) and offer.text != left
        wrong = self._flaws(offer, rest, wanted) if fresh else None
        around = (*self._line(), rest)
        look = Look(asked.first_ms, asked.final_ms, waited_ms, offer, fresh, take, wrong, *around)
        self.work.looks.append(look)
        unanswered = asked.final_ms is None and not offer.text
        self._seen, self._since = Offer(left) if unanswered else offer, ""
        if fresh and offer.id:
            self._side.tell("Show", offer)
        if take:
            await self._side.meanwhile(READING_S)
            self._accept(take, offer, typist)
        return take

    def _choose(self, asked: SideRequest, rest: str, wanted: str) -> tuple[Offer, Acceptance | None]:
        """The offer that saves most, and the part of it that is right.

        Going to the next candidate costs one key.
        """
        found: list[tuple[int, Offer, Acceptance]] = []
        for presses, offer in enumerate(asked.offers or (asked.offer,)):
            take = (
                best_acceptance(offer.text, offer.replaces, self.buffer, rest, wanted) if offer.text else None
            )
            if take is not None:
                take = replace(take, keys=take.keys + presses)
                found.append((take.keys - len(take.text), offer, take))
        if not found:
            return asked.offer, None
        _, offer, best = min(found, key=lambda each: each[0])
        return offer, best

    def _line(self) -> tuple[str, str]:
        """The cursor's line, to the left and right of the cursor."""
        start, end = self.buffer.line_span(self.buffer.cursor)
        return self.buffer.text[start : self.buffer.cursor], self.buffer.text[self.buffer.cursor : end]

    def _left(self) -> str:
        """The remainder of the last offer if it was typed along; an editor goes on showing that."""
        text = self._seen.text
        return text[len(self._since) :] if text.startswith(self._since) else ""

    def _flaws(self, offer: Offer, rest: str, wanted: str) -> Flaws:
        if is_right(offer.text, offer.replaces, self.buffer, rest, wanted):
            return Flaws()
        text, cursor = self.buffer.text, self.buffer.cursor
        end = cursor + offer.replaces
        return flaws(text[:cursor], offer.text, text[end:], self.buffer.language, text[cursor:end])

    def _accept(self, take: Acceptance, offer: Offer, typist: Typist) -> None:
        over = offer.replaces if take.how == "whole" else 0
        cursor = self.buffer.cursor
        self._side.changed(self.buffer, [self.buffer.accept(cursor, cursor + over, take.text)])
        self._side.tell("Accept" if take.how == "whole" else "PartiallyAccept", offer, len(take.text))
        typist.skip(len(take.text))
        self.work.keys += take.keys
        self.work.taken += len(take.text)
        self._since = take.text


def _moment(key: str) -> Moment:
    return "line" if key in ("enter", "down") else moment_of(key)
