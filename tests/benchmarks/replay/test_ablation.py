"""The rows of the ablation, and the real server with parts taken out, on one small file."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks.replay.ablation import BY_HAND, OURS, Ablation, Result, Row, ablate, names, rows
from benchmarks.replay.run import Conditions, Unit, units
from benchmarks.replay.server import Altered, Server
from benchmarks.replay.sides import Side
from tests.benchmarks.replay.test_run import package


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (["`recall` off"], [OURS, "`recall` off"]),
        (["reuse"], [OURS, "no reuse"]),
        (["by hand, `candidates` 1"], [OURS, BY_HAND, "by hand, `candidates` 1"]),
    ],
)
def test_rows_come_with_the_row_they_are_compared_with(wanted: list[str], found: list[str]) -> None:
    assert [row.name for row in rows(wanted)] == found


def test_every_filter_and_source_has_a_row() -> None:
    for part in ("above", "balance", "below", "overlap", "scope", "tabs", "fit", "whole_words"):
        assert f"without `{part}`" in names()
    for source in ("Imports", "Siblings", "Definitions", "Similar", "Recent"):
        assert f"`recall` off, `context{source}` off" in names()


def test_only_existing_parts_can_be_removed(tmp_path: Path) -> None:
    arguments = Altered(tmp_path, ["sense"]).arguments
    asked = [sys.executable, "-m", "benchmarks.replay.altered", *arguments]
    ended = subprocess.run(asked, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 2 and "sense" in ended.stderr


async def test_rows_on_one_file(tmp_path: Path, engine_home: Path) -> None:
    (tmp_path / "package").mkdir()
    main, _ = package(tmp_path / "package")
    unit = next(units([main], 1))
    chosen = [
        Row(OURS, ""),
        Row("no reuse", "reuse", without="reuse"),
        Row("markers", "filters", without="markers", needs="markers"),
        Row("hand", "candidates", by_hand=True),
    ]
    made: dict[Row, Side] = {}
    for index, row in enumerate(chosen):
        (own := tmp_path / str(index)).mkdir()
        part = Altered(own, [row.without] if row.without else [])
        made[row] = Server(row.name, {}, engine_home, part, row.by_hand)
    found = Ablation(chosen)
    done: list[tuple[Unit, list[Result]]] = []
    await ablate(
        [unit], made, Conditions(1, 30.0, time.monotonic() + 600), lambda *result: done.append(result)
    )
    [(_, results)] = done
    found.add(unit, results)
    ours, no_reuse, markers, hand = results
    assert all(result.work.finished and result.work.looks for result in results)
    assert not any(look.offer.reused for look in no_reuse.work.looks)
    assert no_reuse.work.counts["calls"] > ours.work.counts["calls"]
    assert not markers.typed and markers.work is ours.work and ours.typed and hand.typed
    table = found.table()
    assert len(table) == 2 + len(chosen)
    assert all(line.count("|") == table[0].count("|") for line in table)
    assert table[4].split("|")[1:3] == [" markers ", " 0 "]
