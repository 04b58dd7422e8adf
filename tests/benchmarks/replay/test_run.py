"""The whole replay on one small file: the real server, the real engine, and the bare model."""

from __future__ import annotations

import time
from pathlib import Path

from benchmarks.replay.bare import bare
from benchmarks.replay.corpus import SourceFile, candidates, packages
from benchmarks.replay.figures import totals_of
from benchmarks.replay.person import Work
from benchmarks.replay.run import Conditions, Unit, compare, units
from benchmarks.replay.server import Server
from tests.benchmarks.replay.test_plans import PYTHON
from tests.client.engine_watch import engine_pids
from tests.client.own_engine import own_engine

MAIN = "from shapes import Shape1, Shape2\n\n\n" + "".join(
    f"def total_{n}(parts):\n    first = Shape1(parts)\n    return first.area({n}) + Shape2(parts).area({n})\n\n\n"
    for n in range(12)  # as short as a file of the corpus may be
)


def package(folder: Path) -> list[SourceFile]:
    (folder / "shapes.py").write_text(PYTHON)
    (folder / "main.py").write_text(MAIN)
    return sorted(candidates(folder, "python"), key=lambda source: source.path)


def test_every_third_file_is_typed_with_a_neighbour_that_is_not_typed_later(tmp_path: Path) -> None:
    main, shapes = package(tmp_path)
    assert [unit.neighbour for unit in units([main, main], 1)] == [None, None]
    paired = list(units([main, main, main, shapes], 1))
    assert [unit.source.path for unit in paired] == ["main.py"] * 3
    assert paired[2].neighbour is not None
    assert paired[2].neighbour.path == "shapes.py"
    assert paired[2].neighbour.names == ("Shape1", "Shape2")


def test_the_pinned_packages_are_the_held_out_ones() -> None:
    manifest = Path(__file__).parents[3] / "training" / "manifest.tsv"
    rows = [line.split("\t") for line in manifest.read_text(encoding="utf-8").splitlines()]
    held_out = {(row[0], row[1], row[2]) for row in rows if row[4] == "held out"}
    assert {(each.kind, each.name, each.version) for each in packages()} <= held_out


async def test_both_sides_end_with_the_file_as_it_was(tmp_path: Path, engine_home: Path) -> None:
    main, _ = package(tmp_path)
    unit = [*units([main, main, main], 1)][2]
    done: list[tuple[Unit, list[Work]]] = []
    conditions = Conditions(seed=1, patience_s=30.0, deadline=time.monotonic() + 600)
    async with bare("bare", {}) as other:
        await compare(
            [unit], [Server("ours", {}, engine_home), other], conditions, lambda *row: done.append(row)
        )
    [(_, works)] = done
    for work in works:
        assert work.finished
        assert work.looks
        found = totals_of(work)
        assert found.sums["calls"] > 0
        assert found.sums["tokens"] > 0
        assert work.keys <= work.keys_alone
        assert (work.keys < work.keys_alone) == bool(work.taken)
    assert sum(look.offer.reused for look in works[1].looks) == 0


async def test_both_sides_use_a_remote_server(tmp_path: Path) -> None:
    main, _ = package(tmp_path)
    unit = next(units([main], 1))
    done: list[list[Work]] = []
    conditions = Conditions(seed=1, patience_s=30.0, deadline=time.monotonic() + 600)
    async with own_engine(prepared=True) as engine, bare("bare", {"url": engine.url}) as other:
        ours = Server("ours", {"url": engine.url}, tmp_path / "home")
        await compare([unit], [ours, other], conditions, lambda _, works: done.append(works))
        generated = (await engine.settled())["aix_generated_tokens_total"]
    [works] = done
    counted = [totals_of(work).sums["tokens"] for work in works]
    assert all(work.finished for work in works) and all(counted)
    assert not engine_pids(tmp_path / "home")
    assert generated >= sum(counted)
