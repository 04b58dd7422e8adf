"""The end of another process is noticed on every platform."""

from __future__ import annotations

import asyncio
import os

import pytest

from aix_lsp.lsp import parent


@pytest.fixture(params=["told by the system", "by asking again"])
def system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parent, "POLL_S", 0.01)
    if request.param == "by asking again":
        monkeypatch.delattr(os, "pidfd_open", raising=False)


async def the_end_of_another_is_seen() -> None:
    """Wait long enough for the end of any process to be noticed."""
    process = await asyncio.create_subprocess_exec("sleep", "1000")
    end = asyncio.ensure_future(parent.end_of(process.pid))
    await asyncio.sleep(0)
    process.kill()
    await process.wait()
    await asyncio.wait_for(end, 60)


@pytest.mark.usefixtures("system")
async def test_the_end_of_a_process() -> None:
    process = await asyncio.create_subprocess_exec("sleep", "1000")
    end = asyncio.ensure_future(parent.end_of(process.pid))
    await the_end_of_another_is_seen()
    assert not end.done()
    process.kill()
    await process.wait()
    await asyncio.wait_for(end, 60)
    assert end.done()


@pytest.mark.usefixtures("system")
async def test_watching_can_be_cancelled() -> None:
    process = await asyncio.create_subprocess_exec("sleep", "1000")
    end = asyncio.ensure_future(parent.end_of(process.pid))
    await asyncio.sleep(0)
    end.cancel()
    await asyncio.gather(end, return_exceptions=True)
    process.kill()
    await process.wait()
    await the_end_of_another_is_seen()
    assert end.cancelled()


async def test_a_process_that_cannot_be_seen_never_ends() -> None:
    end = asyncio.ensure_future(parent.end_of(2**22 + 54321))
    await the_end_of_another_is_seen()
    assert not end.done()
    end.cancel()
