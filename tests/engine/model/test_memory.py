"""Free memory, and how much of it the KV pool takes."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest

from aix_lsp.engine.model.memory import MIB, Budget, kv_page_count
from aix_lsp.engine.options import ModelError
from aix_lsp.machine import available_bytes

GIB = 1024 * MIB


MAPPED = """
import ctypes
from aix_lsp.engine.model.memory import MIB, mapped_apart

class Mallinfo(ctypes.Structure):
    _fields_ = [("sizes", ctypes.c_size_t * 10)]

libc = ctypes.CDLL(None)
libc.mallinfo2.restype = Mallinfo
libc.malloc.restype = ctypes.c_void_p

def mapped():
    before = libc.mallinfo2().sizes[3]
    libc.malloc(ctypes.c_size_t(8 * MIB))
    return libc.mallinfo2().sizes[3] - before

with mapped_apart():
    within = mapped()
print(within, mapped())
"""
"""Prints how many of its own mappings an allocation takes within the context, and after it."""


@pytest.mark.skipif(
    sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "mallinfo2"), reason="needs glibc"
)
def test_allocations_are_mapped_apart_within_the_context_only() -> None:
    # In a process of its own, whose heap has no room left by other tests.
    ran = subprocess.run([sys.executable, "-c", MAPPED], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["1", "0"]


def test_available_memory_is_plausible() -> None:
    found = available_bytes()
    assert found is None or 16 * MIB < found < 1 << 50


@pytest.mark.parametrize(
    ("budget", "token_bytes", "context", "megabytes"),
    [
        # The setting decides.
        (Budget(100, 8 * GIB), 4096, 2048, 100),
        # A tenth of the free memory…
        (Budget(0, 4 * GIB), 4096, 2048, 409),
        # …up to the limit…
        (Budget(0, 64 * GIB), 4096, 2048, 512),
        # …but two contexts if they fit…
        (Budget(0, 8 * GIB), 65536, 8192, 1024),
        # …into half of what is free.
        (Budget(0, 1 * GIB), 65536, 8192, 512),
        # Unknown memory.
        (Budget(0, None), 4096, 2048, 512),
        # A GPU's share and limit.
        (Budget(0, 80 * GIB, share=0.3, limit=8 * GIB), 65536, 8192, 8192),
    ],
)
def test_pool_size(budget: Budget, token_bytes: int, context: int, megabytes: float) -> None:
    pages = kv_page_count(budget, token_bytes, 16, context)
    assert pages * token_bytes * 16 / MIB == pytest.approx(megabytes, rel=0.01)


@pytest.mark.parametrize(
    ("budget", "said"),
    [
        (Budget(1, 8 * GIB), "a full context of 8192 tokens takes 512"),
        (Budget(9000, 8 * GIB), "8192 MB are free"),
        (Budget(0, 10 * MIB), "no free memory"),
    ],
)
def test_refusals_name_the_setting(budget: Budget, said: str) -> None:
    with pytest.raises(ModelError, match="kvMemoryMb") as caught:
        kv_page_count(budget, 65536, 16, 8192)
    assert said in str(caught.value)
