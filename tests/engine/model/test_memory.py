"""Free memory, and how much of it the KV pool takes."""

from __future__ import annotations

import pytest

from aix_lsp.engine.model.memory import MIB, Budget, kv_page_count
from aix_lsp.engine.options import ModelError
from aix_lsp.machine import available_bytes

GIB = 1024 * MIB


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
