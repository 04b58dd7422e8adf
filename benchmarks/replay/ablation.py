"""The ablation: our side with one part after another taken out, on the same files."""

from __future__ import annotations

import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from benchmarks.replay import altered, report
from benchmarks.replay.bare import bare
from benchmarks.replay.figures import totals_of
from benchmarks.replay.person import Work
from benchmarks.replay.run import Conditions, Unit, type_unit
from benchmarks.replay.server import Altered, Server
from benchmarks.replay.sides import Side
from tests.client.engine_watch import end_engines

OURS = "as it is"
UNRECALLED = "`recall` off"
"""Without recall, a small model gets context from other files in its prompt instead."""
BY_HAND = "asked for by hand"

PATIENCE_S = 30.0
UNHURRIED = 1000.0
"""How much longer pauses are than people's. The rows share an engine, which the first row finds cold, so what arrives
in time would depend on the order of the rows."""


@dataclass(frozen=True, eq=False)
class Row:
    """One row of the table: our side with other settings, or without a part."""

    name: str
    group: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    without: str = ""
    needs: str = ""
    """The part that must have mattered to `against` on a file for this row to be typed; otherwise the results are
    equal."""
    against: str = OURS
    by_hand: bool = False
    heal: bool = False
    """For the bare model: whether it has the engine's healing."""


def rows(wanted: Sequence[str] = ()) -> list[Row]:
    """All rows, or those of some groups or with some names, and the rows that these are compared with."""
    known = _all_rows()
    found = [row for row in known if not wanted or row.group in wanted or row.name in wanted]
    needed = {OURS, *(row.against for row in found)}
    return [row for row in known if row in found or row.name in needed]


def names() -> tuple[str, ...]:
    """The valid arguments of `rows`."""
    known = _all_rows()
    return tuple(dict.fromkeys([*(row.group for row in known if row.group), *(row.name for row in known)]))


def _all_rows() -> list[Row]:
    sources = ("imports", "siblings", "definitions", "similar", "recent")
    return [
        Row(OURS, ""),
        Row("the bare model", "bare"),
        Row("the bare model, healed", "bare", heal=True),
        Row(UNRECALLED, "settings", {"recall": False}),
        Row("`multiline` never", "settings", {"multiline": "never"}),
        Row("`multiline` always", "settings", {"multiline": "always"}),
        Row("`confidence` 0", "settings", {"confidence": 0}),
        Row("`waitMs` 0", "settings", {"waitMs": 0}),
        Row("`prefetch` never", "settings", {"prefetch": "never"}),
        Row("no reuse", "reuse", without=altered.REUSE),
        *(Row(f"without `{name}`", "filters", without=name, needs=name) for name in _filters()),
        *(_unrecalled(f"context{name.title()}", False, f"context_{name}") for name in sources),
        _unrecalled("contextTokens", 0, "context_"),
        Row(BY_HAND, "candidates", by_hand=True),
        Row("by hand, `candidates` 1", "candidates", {"candidates": 1}, against=BY_HAND, by_hand=True),
    ]


def _unrecalled(setting: str, value: Any, needs: str) -> Row:
    name = f"{UNRECALLED}, `{setting}` {'off' if value is False else value}"
    return Row(name, "context", {"recall": False, setting: value}, needs=needs, against=UNRECALLED)


def _filters() -> tuple[str, ...]:
    return (*altered.parts(), altered.FIT, altered.WHOLE_WORDS)


@dataclass(frozen=True)
class Result:
    """One file on one row."""

    row: Row
    work: Work
    typed: bool
    """False if the result is copied from the row's reference, because the part did not matter there."""


class Ablation:
    """The results of all rows so far."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = rows
        self.units: list[Unit] = []
        self.results: list[list[Result]] = []

    def add(self, unit: Unit, results: list[Result]) -> None:
        """Add the results of one unit on all rows."""
        self.units.append(unit)
        self.results.append(results)

    def table(self) -> list[str]:
        """The table in Markdown; empty before there are results."""
        columns = dict(zip(self.rows, zip(*self.results, strict=True), strict=True)) if self.results else {}
        totals = {row.name: [totals_of(each.work) for each in column] for row, column in columns.items()}
        typed = {row.name: sum(each.typed for each in column) for row, column in columns.items()}
        against = {row.name: row.against for row in columns}
        return list(report.ablation(totals, against, typed, len(self.units)))


async def ablate(
    work: Sequence[Unit],
    sides: Mapping[Row, Side],
    conditions: Conditions,
    done: Callable[[Unit, list[Result]], None],
) -> None:
    """Type each unit on each row; `done` is called with a unit's results, in the order of the rows."""
    for unit in work:
        if time.monotonic() > conditions.deadline:
            return
        found: dict[str, Result] = {}
        mattered: dict[str, frozenset[str]] = {}
        for row, side in sides.items():
            if row.needs and not any(name.startswith(row.needs) for name in mattered[row.against]):
                found[row.name] = replace(found[row.against], row=row, typed=False)
                continue
            found[row.name] = Result(row, await type_unit(unit, side, conditions), typed=True)
            if isinstance(side, Server) and side.altered:
                mattered[row.name] = side.altered.mattered()
        done(unit, list(found.values()))


@asynccontextmanager
async def sides(chosen: Sequence[Row], settings: Mapping[str, Any]) -> AsyncIterator[dict[Row, Side]]:
    """A side for each row. All but the bare model share an engine: this many would not fit in memory."""
    async with AsyncExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="aix-rp-")))
        stack.callback(end_engines, home)
        found: dict[Row, Side] = {}
        for row in chosen:
            if row.group == "bare":
                found[row] = await stack.enter_async_context(bare(row.name, settings, row.heal))
                continue
            own = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="aix-rp-")))
            part = Altered(own, [row.without] if row.without else [])
            found[row] = Server(row.name, {**settings, **row.settings}, home, part, row.by_hand)
        yield found
