"""This computer: its CPU, how much memory is free, and whether it runs on battery."""

from __future__ import annotations

import platform
from pathlib import Path

from cachetools.func import ttl_cache

_CGROUP = Path("/sys/fs/cgroup")


def cpu_name() -> str:
    """The CPU's name, or at least its architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def available_bytes() -> int | None:
    """Main memory available without swapping, in bytes, within the container's limit; None if unknown."""
    found = [size for size in (_system_available(), _cgroup_available()) if size is not None]
    return min(found) if found else None


def _system_available() -> int | None:
    import psutil

    try:
        return int(psutil.virtual_memory().available)
    except (OSError, NotImplementedError, RuntimeError):
        return None


def _cgroup_available() -> int | None:
    try:
        limit = (_CGROUP / "memory.max").read_text().strip()
        used = int((_CGROUP / "memory.current").read_text())
    except (OSError, ValueError):
        return None
    return None if limit == "max" else max(0, int(limit) - used)


@ttl_cache(maxsize=1, ttl=30)
def on_battery() -> bool:
    """Whether there is a battery that is not being charged, as of the last half minute. False if unknown."""
    import psutil

    try:
        battery = psutil.sensors_battery()
    except (AttributeError, OSError, RuntimeError, NotImplementedError):  # not available on every system
        return False
    return battery is not None and battery.power_plugged is False
