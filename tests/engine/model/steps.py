"""Computes steps that are not aborted."""

from __future__ import annotations

from collections.abc import Sequence

from aix_lsp.engine.step import Row, Runner, Sampled


def stepped(runner: Runner, rows: Sequence[Row]) -> list[list[Sampled]]:
    """A whole step's sampled tokens."""
    found = runner.step(rows)
    assert found is not None
    return found
