"""Estimates a model's demands on this computer: memory to load and to run it, and the time to the first text.

Times are estimated from the measured speed of the engine's kernels when a model was last loaded here.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass

from aix_lsp import paths
from aix_lsp.files import read_json, write_whole
from aix_lsp.machine import cpu_name
from aix_lsp.models.catalogue import Entry

_FILE = "speed.json"
_LARGE = 1.5
"""Billions of weights from which models are read in bfloat16 (engine/model/precision.py)."""
_KV_GB = 0.5
_PROGRAM_GB = 0.4
"""Memory of Python and torch."""
_RUNNING = 1.1
"""Bytes per weight in int8, with scales and finer columns."""
COLD_TOKENS, KEY_TOKENS = 300, 4
"""New prompt tokens after a jump (in a small file), and after a keystroke."""
_HARDLY = 0.9
"""The share of the free memory that a model may use."""


@dataclass(frozen=True, slots=True)
class Speed:
    """How long kernels took for `weights` of a model's weights: seconds, by the rows (tokens) computed at once."""

    weights: int
    seconds: Mapping[int, float]

    def step_s(self, billions: float, rows: int) -> float:
        """Estimated seconds of a step of `rows` rows."""
        known = sorted(self.seconds)
        near = next((count for count in known if count >= rows), known[-1])
        return self.seconds[near] * max(1.0, rows / near) * billions * 1e9 / self.weights


@dataclass(frozen=True, slots=True)
class Fit:
    """A model's demands on this computer. Times are None if nothing has been measured here."""

    loading_gb: float
    """The maximum, during the first start, when the model is read and quantised."""
    running_gb: float
    fits: bool | None
    """Whether there is enough free memory; None if unknown."""
    cold_ms: float | None
    """Time to the first text after a jump, when 300 tokens of the prompt are new."""
    key_ms: float | None
    """Time to the first text after a keystroke."""


def fit(entry: Entry, free: int | None, speed: Speed | None) -> Fit:
    """The demands of `entry`, given `free` bytes of memory (None if unknown)."""
    loading = entry.billions * (4 if entry.billions < _LARGE else 2) + _PROGRAM_GB
    running = entry.billions * _RUNNING + _KV_GB + _PROGRAM_GB
    cold = key = None
    if speed is not None:
        one = speed.step_s(entry.active, 1)
        cold = (speed.step_s(entry.active, COLD_TOKENS) + one) * 1e3
        key = (speed.step_s(entry.active, KEY_TOKENS) + one) * 1e3
    fits = None if free is None else max(loading, running) * 1e9 <= free * _HARDLY
    return Fit(loading, running, fits, cold, key)


def remember(speed: Speed) -> None:
    """Store a measurement, unless there is one of a larger model: small models' weights fit in the CPU's caches."""
    known = remembered()
    if known is not None and known.weights > speed.weights:
        return
    saved = {"machine": _machine(), "weights": speed.weights, "seconds": dict(speed.seconds)}
    write_whole(paths.cache_dir() / _FILE, json.dumps(saved))


def remembered() -> Speed | None:
    """The measurement on this computer; None if there is none, or it is from another computer."""
    try:
        saved = read_json(paths.cache_dir() / _FILE, 1 << 16)
        seconds = {int(rows): float(took) for rows, took in saved["seconds"].items()}
        if saved["machine"] == _machine() and seconds and int(saved["weights"]) > 0:
            return Speed(int(saved["weights"]), seconds)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        pass
    return None


def _machine() -> list[object]:
    return [cpu_name(), os.cpu_count()]
