"""Decides how much memory the KV pool takes, and returns memory to the system."""

from __future__ import annotations

import contextlib
import mmap
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from aix_lsp.engine.options import ModelError

MIB = 1 << 20
_MIN_PAGES = 16
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h


def give_back() -> None:
    """Return freed memory to the system. glibc would keep it: hundreds of megabytes after loading."""
    if sys.platform == "linux":
        import ctypes

        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)


@contextlib.contextmanager
def mapped_apart() -> Iterator[None]:
    """Within the context, glibc maps each allocation of a MiB or more on its own, and unmaps it when it is freed: its
    heaps would keep holes of what is freed between weights that stay. Afterwards only those of 32 MiB, its own
    maximum, are mapped: a step would fault its pages in again each time.
    """
    _set_thresholds(MIB)
    try:
        yield
    finally:
        _set_thresholds(32 * MIB)


def _set_thresholds(mapped: int) -> None:
    """Set from how many bytes glibc maps an allocation on its own; a heap may keep twice that free at its end."""
    if sys.platform == "linux":
        import ctypes

        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:
            mallopt(_M_MMAP_THRESHOLD, mapped)
            mallopt(_M_TRIM_THRESHOLD, 2 * mapped)


def discard(start: int, end: int) -> int:
    """Return the memory at addresses from `start` to `end` to the system, as far as it fills whole system pages; its
    content is then undefined. Returns the number of bytes; 0 if the system does not support it.
    """
    page = mmap.PAGESIZE
    start, end = -(-start // page) * page, end // page * page
    advice = getattr(mmap, "MADV_DONTNEED" if sys.platform == "linux" else "MADV_FREE", None)
    if end <= start or advice is None:
        return 0
    import ctypes

    madvise = ctypes.CDLL(None).madvise
    failed = madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), advice)
    return 0 if failed else end - start


def ran_out(error: Exception) -> bool:
    """Whether an error of torch or Python means that memory ran out, on any device."""
    text = str(error)
    return isinstance(error, MemoryError) or "out of memory" in text or "allocate memory" in text


@dataclass(frozen=True, slots=True)
class Budget:
    """What the KV pool may take: `megabytes` as set or, if that is 0, `share` of the `free` bytes (None if unknown), at
    most `limit` bytes."""

    megabytes: int
    free: int | None
    share: float = 0.10
    limit: int = 512 * MIB


def kv_page_count(budget: Budget, token_bytes: int, page_size: int, context_length: int) -> int:
    """Pages of the pool. Without a setting, it exceeds the budget's share to hold two full contexts if these fit in
    half of the free memory. Raises ModelError if nothing useful fits."""
    page_bytes = token_bytes * page_size
    context = -(-context_length // page_size)
    if budget.megabytes:
        pages = budget.megabytes * MIB // page_bytes
        if pages < _MIN_PAGES:
            raise ModelError(
                f"kvMemoryMb is {budget.megabytes}, too little for this model; a full context of "
                f"{context_length} tokens takes {_mib(page_bytes * context)}"
            )
        if budget.free is not None and pages * page_bytes > budget.free:
            raise ModelError(
                f"kvMemoryMb is {budget.megabytes}, and {_mib(budget.free)} MB are free; lower it, or close "
                "other programs"
            )
        return pages
    if budget.free is None:
        return max(budget.limit // page_bytes, _MIN_PAGES)
    pages = int(min(budget.free * budget.share, budget.limit)) // page_bytes
    pages = max(pages, min(2 * context, budget.free // 2 // page_bytes))
    if pages < _MIN_PAGES:
        raise ModelError(
            f"no free memory for the KV cache ({_mib(budget.free)} MB free); close other programs, choose a "
            "smaller model (setting model), or set kvMemoryMb to what may be used"
        )
    return pages


def _mib(size: int) -> int:
    return -(-size // MIB)
