"""Estimates a model's demands on this computer: memory to load and to run it, and the time to first text.

Times are reckoned from what the engine's kernels were measured to take when a model was last loaded here.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass

from aix_lsp import paths
from aix_lsp.files import read_json
from aix_lsp.models.catalogue import Entry

_FILE = "speed.json"
_LARGE = 1.5
"""Billions of weights from which they are read in bfloat16 (engine/model/precision.py)."""
_KV_GB = 0.5
_PROGRAM_GB = 0.4
"""Of Python and torch."""
_RUNNING = 1.1
"""Bytes of a weight in int8, with its scales and its finer columns."""
COLD_TOKENS, KEY_TOKENS = 300, 4
"""Prompt tokens that are new after a jump, in a small file, and after a key."""
_HARDLY = 0.9
"""The share of the free memory that a model may use."""


@dataclass(frozen=True, slots=True)
class Speed:
    """What kernels took for `weights` of a model's weights: seconds by the number of rows (tokens) computed at once."""

    weights: int
    seconds: Mapping[int, float]

    def step_s(self, billions: float, rows: int) -> float:
        """Seconds that a step of so many rows takes a model."""
        known = sorted(self.seconds)
        near = next((count for count in known if count >= rows), known[-1])
        return self.seconds[near] * max(1.0, rows / near) * billions * 1e9 / self.weights


@dataclass(frozen=True, slots=True)
class Fit:
    """What a model takes here. Times are None while nothing was measured on this computer."""

    loading_gb: float
    """The most, on the first start, when it is read and quantised."""
    running_gb: float
    fits: bool | None
    """Whether the free memory suffices; None where that is not known."""
    cold_ms: float | None
    """To the first text, of a prompt of which 300 tokens are new: after a jump."""
    key_ms: float | None
    """To the first text after a key."""


def fit(entry: Entry, free: int | None, speed: Speed | None) -> Fit:
    """What `entry` takes with `free` bytes of memory."""
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
    """Keep what was measured, unless it was of a larger model: a small one's weights lie in the CPU's caches."""
    known = remembered()
    if known is not None and known.weights > speed.weights:
        return
    told = {"machine": _machine(), "weights": speed.weights, "seconds": dict(speed.seconds)}
    file = paths.cache_dir() / _FILE
    new = file.with_name(f"{_FILE}.{os.getpid()}")
    new.write_text(json.dumps(told), "utf-8")
    new.replace(file)


def remembered() -> Speed | None:
    """What was measured on this computer; None where nothing was, or on another one."""
    try:
        told = read_json(paths.cache_dir() / _FILE, 1 << 16)
        seconds = {int(rows): float(took) for rows, took in told["seconds"].items()}
        if told["machine"] == _machine() and seconds and int(told["weights"]) > 0:
            return Speed(int(told["weights"]), seconds)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        pass
    return None


def _machine() -> list[object]:
    return [platform.machine(), platform.processor(), os.cpu_count()]
