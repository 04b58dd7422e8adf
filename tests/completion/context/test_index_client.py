"""The index process from the server's side: it is restarted when it dies, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from aix_lsp import processes as starting
from aix_lsp.completion.context.index_client import _STARTS, IndexClient, SearchResults, database
from tests.completion.context.index.places import BANK, QUERY, write


class Watched(IndexClient):
    """An index client with one folder, and an event for the end of its indexing."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.indexed = asyncio.Event()
        super().__init__(lambda folder, done, of: None, self.indexed.set)

    async def opened(self) -> None:
        self.open(self.root, [])
        await asyncio.wait_for(self.indexed.wait(), 60)

    async def until_found(self) -> SearchResults:
        async with asyncio.timeout(60):
            while not (found := await self.gather(self.root, QUERY)):
                await asyncio.sleep(0.02)
        return found


@pytest.fixture
async def index_client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Watched]:
    monkeypatch.setenv("AIX_LSP_HOME", str(tmp_path / "home"))
    write(tmp_path / "w", {"bank.py": BANK, "main.py": "\n"})
    made = Watched(tmp_path / "w")
    yield made
    await made.close()
    assert not processes()


def processes() -> list[psutil.Process]:
    """The index processes of this process: searchers and their builders."""
    return [child for child in psutil.Process().children(recursive=True) if "context.index" in command(child)]


def command(process: psutil.Process) -> str:
    """A process's command line; empty if it has just ended."""
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


async def test_a_search_before_any_document_is_open(index_client: Watched) -> None:
    assert await index_client.gather(index_client.root, QUERY) == []
    assert not processes()


async def test_search_results(index_client: Watched) -> None:
    await index_client.opened()
    found = await index_client.until_found()
    assert {
        "source": "imports",
        "path": "bank.py",
        "text": BANK.split("\n")[0],
        "rank": 0,
        "placeholders": [],
    } in found
    assert {snippet["source"] for snippet in found} == {"imports", "definitions", "similar"}


async def test_a_searcher_that_dies_is_restarted(index_client: Watched) -> None:
    await index_client.opened()
    await index_client.until_found()
    [running] = [process for process in processes() if "index.worker" in command(process)]
    index_client.indexed.clear()
    running.kill()
    await asyncio.wait_for(index_client.indexed.wait(), 60)
    assert await index_client.until_found()


async def test_a_searcher_that_always_dies_is_given_up(
    index_client: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.executable", "/bin/false")
    index_client.open(index_client.root, [])
    assert await index_client.gather(index_client.root, QUERY) == []
    async with asyncio.timeout(60):
        while index_client._starts < _STARTS:
            await asyncio.sleep(0.02)
    assert await index_client.gather(index_client.root, QUERY) == []


async def test_an_index_damaged_while_in_use(index_client: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    await index_client.opened()
    await index_client.until_found()
    file = database(str(index_client.root))
    for beside in file.parent.glob(f"{file.name}-*"):
        beside.unlink()
    file.write_bytes(b"scribble" * 4096)
    async with asyncio.timeout(60):
        while not (found := await index_client.gather(index_client.root, QUERY)):
            # The next process to open the file finds it damaged.
            index_client.close_folders(but=[])
            index_client.indexed.clear()
            await index_client.opened()
    assert {snippet["path"] for snippet in found} == {"bank.py"}
    assert file.read_bytes().startswith(b"SQLite format 3")


@pytest.mark.parametrize("count", [3, 300])
async def test_files_that_change_at_once(index_client: Watched, count: int) -> None:
    await index_client.opened()
    write(index_client.root, {f"new{n}.py": f"def new_name_{n}(): ...\n" for n in range(count)})
    index_client.changed(index_client.root, [f"new{n}.py" for n in range(count)])
    query = QUERY | {"before": f"new_name_{count - 1}(", "sources": ["definitions"]}
    async with asyncio.timeout(60):
        while not (found := await index_client.gather(index_client.root, query)):
            await asyncio.sleep(0.02)
    assert [snippet["path"] for snippet in found] == [f"new{count - 1}.py"]


async def test_folders_are_released(index_client: Watched) -> None:
    await index_client.opened()
    await index_client.until_found()
    index_client.close_folders(but=[index_client.root])
    assert await index_client.gather(index_client.root, QUERY)
    index_client.close_folders(but=[])
    assert await index_client.gather(index_client.root, QUERY) == []


async def test_closing_while_the_searcher_starts(
    index_client: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    start, may_start = starting.start_async, asyncio.Event()

    async def start_later(module: str, limit: int) -> asyncio.subprocess.Process:
        await may_start.wait()
        return await start(module, limit=limit)

    monkeypatch.setattr(starting, "start_async", start_later)
    index_client.open(index_client.root, [])
    closing = asyncio.create_task(index_client.close())
    await asyncio.sleep(0)
    may_start.set()
    await asyncio.wait_for(closing, 60)


async def test_closing_twice_and_giving_up_once(index_client: Watched) -> None:
    """The user stops the indexing, and the session ends before that has been done."""
    await index_client.opened()
    stopping, closing = (asyncio.create_task(index_client.close()) for _ in range(2))
    await asyncio.sleep(0)
    stopping.cancel()
    await asyncio.wait_for(closing, 60)
    assert index_client._process is None


def test_the_server_itself_neither_parses_nor_searches() -> None:
    program = (
        "import sys, aix_lsp.completion.service\n"
        "print([name for name in sys.modules if name.startswith(('tree_sitter', 'sqlite3'))])"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert said.stdout == "[]\n"
