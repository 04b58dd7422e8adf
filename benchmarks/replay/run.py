"""Runs a comparison: which files, in which workspace, on each side in turn. Knows no figures."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.replay.corpus import SourceFile
from benchmarks.replay.pairs import Import, imports
from benchmarks.replay.person import Person, Work
from benchmarks.replay.plans import Plan, plan
from benchmarks.replay.sides import Side
from tests.client.buffer import Buffer

_PAIRS = 3
"""One in this many files of a language is typed with a file that it imports from open, on lines that use that."""


@dataclass(frozen=True)
class Unit:
    """A file to be typed, and the file of its package that was looked at before, if any."""

    source: SourceFile
    plan: Plan
    neighbour: Import | None = None


def units(files: Sequence[SourceFile], seed: int) -> Iterator[Unit]:
    """The units to type, in order. A file that was used as another's neighbour is left out."""
    shown: set[tuple[Path, str]] = set()
    counts: Counter[str] = Counter()
    for source in files:
        if (source.folder, source.path) in shown:
            continue
        counts[source.language] += 1
        unit = _pair(source, seed) if counts[source.language] % _PAIRS == 0 else None
        unit = unit or _single(source, seed)
        if unit is not None:
            if unit.neighbour is not None:
                shown.add((source.folder, unit.neighbour.path))
            yield unit


def _single(source: SourceFile, seed: int) -> Unit | None:
    found = plan(source.name, source.text, source.language, seed)
    return Unit(source, found) if found else None


def _pair(source: SourceFile, seed: int) -> Unit | None:
    files = {
        path.relative_to(source.folder).as_posix() for path in source.folder.rglob("*") if path.is_file()
    }
    best: Unit | None = None
    for neighbour in imports(source.path, source.text, source.language, files):
        found = plan(source.name, source.text, source.language, seed, neighbour.names)
        if found and (best is None or len(found.script.pieces) > len(best.plan.script.pieces)):
            best = Unit(source, found, neighbour)
    return best


@dataclass(frozen=True)
class Conditions:
    """What both sides of a comparison have in common."""

    seed: int
    patience_s: float
    deadline: float
    """By time.monotonic(): no file is started after it."""
    pauses: float = 1.0
    """Length of pauses, relative to people's."""
    whole_pauses: bool = False
    """Whether a person's pause is waited out once there is an answer: servers may work meanwhile."""


async def compare(
    work: Sequence[Unit],
    sides: Sequence[Side],
    conditions: Conditions,
    done: Callable[[Unit, list[Work]], None],
) -> None:
    """Type each unit on each side; the sides take turns at going first. `done` is called with each unit's work."""
    for number, unit in enumerate(work):
        if time.monotonic() > conditions.deadline:
            return
        order = [(number + turn) % len(sides) for turn in range(len(sides))]
        found = {index: await type_unit(unit, sides[index], conditions) for index in order}
        done(unit, [found[index] for index in range(len(sides))])


async def type_unit(unit: Unit, side: Side, conditions: Conditions) -> Work:
    """Type one unit in a workspace of its own, where the file lacks what will be typed."""
    with tempfile.TemporaryDirectory(prefix="aix-replay-") as folder:
        workspace, file = _laid_out(unit, Path(folder))
        await side.enter(workspace)
        try:
            if unit.neighbour is not None:
                _visit(side, workspace / unit.neighbour.path, unit)
            seed = f"{conditions.seed}:{unit.source.name}"
            person = Person(
                side,
                unit.plan,
                file.as_uri(),
                seed,
                conditions.patience_s,
                conditions.pauses,
                conditions.whole_pauses,
            )
            work = await person.work_through()
            work.counts = await side.counts()
            return work
        finally:
            await side.leave()


def _laid_out(unit: Unit, folder: Path) -> tuple[Path, Path]:
    """A copy of the unit's package, and the file in it, without what will be typed."""
    workspace = folder.resolve() / unit.source.folder.name
    shutil.copytree(unit.source.folder, workspace)
    file = workspace / unit.source.path
    file.write_text(unit.plan.script.beginning(), encoding="utf-8")
    return workspace, file


def _visit(side: Side, file: Path, unit: Unit) -> None:
    """Open a file, edit the line of the first name that is used later, and leave it open."""
    text = file.read_text(encoding="utf-8").replace("\r\n", "\n")
    buffer = Buffer(file.as_uri(), text, unit.plan.language)
    side.open(buffer)
    assert unit.neighbour is not None
    place = max(0, text.find(unit.neighbour.names[0]))
    _, end = buffer.line_span(place)
    side.changed(buffer, [buffer.replace(end, end, " ")])
    side.changed(buffer, [buffer.replace(end, end + 1, "")])
