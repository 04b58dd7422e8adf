"""The real server as a process: its files, its memory, its end."""

from __future__ import annotations

import asyncio
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.campaign.outcome import Outcome
from tests.client.engine_watch import end_engines

_PATIENCE_S = 60.0
"""Seconds after which a process that does not exit is killed."""


@contextmanager
def own_home() -> Iterator[Path]:
    """A home with a path short enough for a Unix socket; engines still running for it are ended with it."""
    home = Path(tempfile.mkdtemp(prefix="aix-"))
    try:
        yield home
    finally:
        end_engines(home)
        shutil.rmtree(home, ignore_errors=True)


async def terminate(
    process: asyncio.subprocess.Process, outcome: Outcome, seed: int, within_s: float
) -> None:
    """Send SIGTERM; it is a finding if the process takes longer than `within_s`."""
    process.send_signal(signal.SIGTERM)
    await watch_end(process, outcome, seed, within_s)


async def watch_end(
    process: asyncio.subprocess.Process, outcome: Outcome, seed: int, within_s: float
) -> None:
    """Wait for the end of a process that was told to exit, and judge how long it took."""
    began = time.monotonic()
    try:
        await asyncio.wait_for(process.wait(), _PATIENCE_S)
    except TimeoutError:
        outcome.find(seed, f"the process did not end within {_PATIENCE_S:.0f} s of being told")
        process.kill()
        await process.wait()
        return
    took = time.monotonic() - began
    outcome.ended_s.append(took)
    if took > within_s:
        outcome.find(seed, f"the process ended {took:.1f} s after being told")
    if process.returncode is not None and process.returncode < 0:
        outcome.find(seed, f"the process ended by signal {-process.returncode}")


def resident_mib(pid: int) -> float:
    """Resident memory of a process in MiB (Linux), otherwise NaN."""
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        return float("nan")
    [line] = [line for line in status.read_text().splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1]) / 1024
