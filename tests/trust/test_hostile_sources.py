"""Source files crafted to keep the index busy forever, or to crash it."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from pathlib import Path

import pytest

from aix_lsp.completion.context.index import scan
from aix_lsp.completion.context.index.chunks import chunks
from aix_lsp.completion.context.index_client import IndexClient
from aix_lsp.grammars import parse
from tests.completion.context.index.places import BANK, QUERY

SIZE = 255 * 1024


@pytest.mark.timeout(600)
async def test_the_index_skips_a_file_that_takes_forever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Finding the definitions in 255 KB of opening brackets takes minutes in C code, which no time limit interrupts."""
    monkeypatch.setenv("AIX_LSP_HOME", str(tmp_path / "home"))
    workspace = tmp_path / "w"
    workspace.mkdir()
    (workspace / "a_hostile.py").write_text("(" * SIZE)
    (workspace / "bank.py").write_text(BANK)
    (workspace / "main.py").write_text("\n")
    indexed = asyncio.Event()
    client = IndexClient(lambda *_: None, indexed.set)
    client.open(workspace, [])
    async with asyncio.timeout(500):
        await indexed.wait()
        while not (found := await client.gather(workspace, QUERY)):
            await asyncio.sleep(0.05)
    assert "open_account" in str(found)
    await client.close()


@pytest.mark.skipif(sys.platform == "win32", reason="processor limits of Unix")
def test_work_that_takes_too_long_ends_only_its_process() -> None:
    code = """
from aix_lsp.completion.context.index import scan
scan.PROCESSOR_S = 1
with scan.processor_limit():
    pass
end = scan.time.process_time() + 1.5
while scan.time.process_time() < end:
    pass
print("after", flush=True)
with scan.processor_limit():
    while True:
        pass
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=200, check=False
    )
    assert done.stdout == "after\n"
    assert done.returncode < 0


@pytest.mark.skipif(sys.platform != "linux", reason="Linux's clock of whole ticks")
def test_the_limit_counts_as_the_system_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit counts in ticks; a process whose nanoseconds lag behind was killed in the middle of small files."""
    import resource

    limits: list[int] = []
    monkeypatch.setattr(resource, "setrlimit", lambda _, pair: limits.append(pair[0]))
    charged = time.clock_gettime(scan._LINUX_CHARGED)
    monkeypatch.setattr(time, "process_time", lambda: charged - 100)
    with scan.processor_limit():
        assert limits[0] >= int(charged) + scan.PROCESSOR_S
    assert limits[1:] == [resource.getrlimit(resource.RLIMIT_CPU)[0]]


def test_many_siblings_are_cut_in_linear_time() -> None:
    """Going from each of a hundred thousand nodes to the previous one took minutes."""
    lines = ["x;"] * 60_000
    found = chunks(lines, parse("\n".join(lines).encode(), "javascript"))
    assert found[0][0] == 0 and found[-1][1] == len(lines)
