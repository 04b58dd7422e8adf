"""How much memory is free, and how much of it the KV pool takes. No torch but for asking a GPU."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from aix_lsp.engine.options import ModelError

MIB = 1 << 20
_DEFAULT_SHARE = 0.10
_DEFAULT_LIMIT = 512 * MIB


def available_bytes() -> int | None:
    """Main memory that can be had without swapping, in bytes, within the container's limit; None if
    unknown."""
    found = [size for size in (_system_available(), _cgroup_available()) if size is not None]
    return min(found) if found else None


def _system_available() -> int | None:
    if sys.platform == "linux":
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    if sys.platform == "win32":
        return _windows_available()
    try:
        # macOS tells the total only; half of it is what a desktop usually has left.
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    except (ValueError, OSError, AttributeError):
        return None


def _windows_available() -> int | None:
    import ctypes

    class Status(ctypes.Structure):
        _fields_ = [
            ("length", ctypes.c_ulong),
            ("load", ctypes.c_ulong),
            *((name, ctypes.c_ulonglong) for name in ("total", "free", "e", "f", "g", "h", "i")),
        ]

    status = Status(length=ctypes.sizeof(Status))
    windll = getattr(ctypes, "windll", None)
    if windll is None or not windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status)):
        return None
    return int(status.free)


def _cgroup_available() -> int | None:
    root = Path("/sys/fs/cgroup")
    try:
        limit = (root / "memory.max").read_text().strip()
        used = int((root / "memory.current").read_text())
    except (OSError, ValueError):
        return None
    return None if limit == "max" else max(0, int(limit) - used)


def kv_page_count(
    token_bytes: int, page_size: int, context_length: int, kv_memory_mb: int, free: int | None
) -> int:
    """Pages of the pool: what `kv_memory_mb` holds, or by default a tenth of the free memory up to 512 MiB,
    and at least two full contexts where those fit in half of it. Raises ModelError where one context does
    not fit."""
    page_bytes = token_bytes * page_size
    context = -(-context_length // page_size)
    if kv_memory_mb:
        pages = kv_memory_mb * MIB // page_bytes
        if pages < 2:
            raise ModelError(
                f"kvMemoryMb is {kv_memory_mb}, and one page of this model's KV cache takes "
                f"{page_bytes / MIB:.1f} MiB; set kvMemoryMb to at least {_mib(page_bytes * context)}"
            )
        return pages
    if free is None:
        return max(_DEFAULT_LIMIT // page_bytes, 2)
    pages = int(min(free * _DEFAULT_SHARE, _DEFAULT_LIMIT)) // page_bytes
    pages = max(pages, min(2 * context, free // 2 // page_bytes))
    if pages < 2:
        raise ModelError(
            f"no free memory for the KV cache ({_mib(free)} MiB free); close other programs, choose a "
            "smaller model (setting model), or set kvMemoryMb to what may be used"
        )
    return pages


def _mib(size: int) -> int:
    return -(-size // MIB)
