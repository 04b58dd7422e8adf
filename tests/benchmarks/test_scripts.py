"""Replay scripts reproduce the original file, whatever was removed from it."""

from __future__ import annotations

from benchmarks.scripts import LARGEST, SMALLEST, count_keys, scripts, steps
from tests.client.buffer import Buffer


def test_scripts_type_the_file_back_exactly() -> None:
    chosen = scripts(300)
    assert sum(count_keys(script) for script in chosen) >= 300
    for script in chosen:
        assert SMALLEST <= len(script.finished.encode()) <= LARGEST
        buffer = Buffer("", script.beginning(), "python")
        assert buffer.text != script.finished
        for typist in script.typists(buffer):
            for _ in steps(typist):
                pass
        assert buffer.text == script.finished


def test_the_same_seed_gives_the_same_keys() -> None:
    assert scripts(100, seed=3) == scripts(100, seed=3)
    assert scripts(100, seed=3) != scripts(100, seed=4)


def test_newlines_jumps_and_auto_closed_brackets_occur() -> None:
    keys = set()
    closed = 0
    for script in scripts(300):
        assert len(script.pieces) > 1
        buffer = Buffer("", script.beginning(), "python")
        for typist in script.typists(buffer):
            while typist.remaining:
                key, changes = typist.step()
                keys.add(key)
                closed += any(change["text"] in ("()", "[]", "{}", '""', "''") for change in changes)
    assert "enter" in keys
    assert closed
