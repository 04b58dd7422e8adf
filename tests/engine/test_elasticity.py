"""The KV cache's memory is released after a pause and when memory is short, and the engine keeps serving."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from itertools import pairwise

import psutil
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from aix_lsp import machine
from aix_lsp.completion.responder import _prefetches
from aix_lsp.engine.elasticity import Elasticity
from aix_lsp.engine.model.kv import KvPool, LayerShape
from aix_lsp.engine.model.slots import Run
from aix_lsp.engine.pages.pool import PagePool
from aix_lsp.settings import Settings
from tests.client.own_engine import completion_body, own_engine


@pytest.mark.parametrize(
    ("looks", "given_at"),
    [
        # (time, whether there are requests, free share of memory)
        ([(0, False, 0.5), (59, False, 0.5), (60, False, 0.5), (61, False, 0.5), (300, False, 0.5)], [60]),
        ([(50, True, 0.5), (100, False, 0.5), (110, False, 0.5), (111, False, 0.5)], [110]),
        ([(1, True, 0.04), (2, True, 0.04), (11, True, 0.04), (30, True, 0.5)], [1, 11]),
        ([(1, False, 0.04), (20, False, 0.04)], [1]),  # there is nothing new to release
        ([(1, True, None), (59, True, None)], []),
    ],
)
def test_when_memory_is_released(
    looks: list[tuple[float, bool, float | None]], given_at: list[float]
) -> None:
    free: list[float | None] = [0.5]
    elasticity = Elasticity(60.0, lambda: free[0], 0.0)
    found = []
    for now, active, share in looks:
        free[0] = share
        if elasticity.due(now, active):
            found.append(now)
    assert found == given_at
    assert not any(Elasticity(0.0, lambda: 0.01, 0.0).due(now, active) for now, active, _ in looks)


@given(st.lists(st.booleans(), min_size=1, max_size=40))
def test_free_runs_are_the_free_pages(taken: Sequence[bool]) -> None:
    pool = PagePool(len(taken), 4)
    pages = pool.allocate(len(taken))
    pool.unclaim(pages)
    pool.drop([page for page in pages if not taken[page]])
    runs = pool.free_runs()
    assert [page for first, count in runs for page in range(first, first + count)] == [
        page for page in pages if not taken[page]
    ]
    assert all(one[0] + one[1] < other[0] for one, other in pairwise(runs))


@pytest.mark.skipif(sys.platform == "win32", reason="memory is given back by madvise")
def test_only_free_pages_lose_their_content() -> None:
    pool = KvPool(
        {0: LayerShape(2, 64, 64), 1: LayerShape(2, 64, 64)}, 64, 16, torch.float32, torch.device("cpu")
    )
    ones = torch.ones(1, 2, 64 * 16, 64)
    for layer in (0, 1):
        pool.write(layer, Run(0, 64 * 16), ones, ones)
    assert pool.release([(8, 40)]) > 0
    for layer in (0, 1):
        for run in (Run(0, 8 * 16), Run(48 * 16, 16 * 16)):
            for part in pool.read(layer, run):
                assert part.min() == 1.0
    pool.write(0, Run(8 * 16, 16), ones[:, :, :16], ones[:, :, :16])
    assert pool.read(0, Run(8 * 16, 16))[0].min() == 1.0


def _texts() -> list[str]:
    return [
        "".join(f"value_{number}_{line} = compute({line})\n" for line in range(60)) for number in range(12)
    ]


@pytest.mark.skipif(sys.platform != "linux", reason="reads the process's memory from /proc")
@pytest.mark.timeout(400)
async def test_an_idle_engine_releases_the_pool_and_keeps_serving() -> None:
    arguments = ("--kv-idle-s", "2", "--kv-memory-mb", "64", "--threads", "1")
    async with own_engine(*arguments, prepared=True) as engine:
        texts = _texts()
        first = [await engine.whole(completion_body(text, "\n", 4)) for text in texts]
        resident = engine.memory_mib()
        full = await engine.metrics()
        cached, free = full['aix_pool_pages{state="cached"}'], full['aix_pool_pages{state="free"}']
        touched = full['aix_memory_bytes{part="pool"}'] * cached / (cached + free) / 2**20
        async with asyncio.timeout(120):
            while (now := await engine.metrics())['aix_pool_pages{state="cached"}'] or not now[
                "aix_released_bytes_total"
            ]:
                await asyncio.sleep(0.1)
        if not full["aix_released_bytes_total"]:  # otherwise it was already idle when the metrics were read
            assert touched > 2 and resident - engine.memory_mib() > 0.5 * touched
        again = [await engine.whole(completion_body(text, "\n", 4)) for text in texts]
        assert [one["choices"][0]["text"] for one in again] == [one["choices"][0]["text"] for one in first]
        assert not again[0]["usage"]["cached_tokens"]


def test_no_prefetch_on_battery_if_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    class Battery:
        power_plugged = False

    monkeypatch.setattr(psutil, "sensors_battery", Battery, raising=False)
    machine.on_battery.cache_clear()
    assert machine.on_battery() and _prefetches(Settings()) and not _prefetches(Settings(battery_saver=True))
    Battery.power_plugged = True
    assert machine.on_battery()  # the value from half a minute ago
    machine.on_battery.cache_clear()
    assert not machine.on_battery() and _prefetches(Settings(battery_saver=True))


@pytest.mark.parametrize("found", [None, OSError, AttributeError])
def test_no_battery_is_not_on_battery(found: type[Exception] | None, monkeypatch: pytest.MonkeyPatch) -> None:
    def sensors() -> None:
        if found is not None:
            raise found

    monkeypatch.setattr(psutil, "sensors_battery", sensors, raising=False)
    machine.on_battery.cache_clear()
    assert not machine.on_battery()
