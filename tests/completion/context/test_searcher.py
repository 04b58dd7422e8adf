"""The searcher's process from the server's side: it comes back when it dies, and nothing of it stays behind."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from aix_lsp.completion.context.searcher import Found, Searcher, database
from tests.completion.context.index.places import write

BANK = "def open_account(name: str) -> int:\n    return 1\n"
QUERY = {
    "path": "main.py",
    "language": "python",
    "head": "from bank import open_account\n",
    "before": "from bank import open_account\nopen_account(",
    "after": ")\n",
    "sources": ["imports", "siblings", "definitions", "similar"],
}


class Watched(Searcher):
    """A searcher of one folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.indexed = asyncio.Event()
        super().__init__(lambda folder, done, of: None, self.indexed.set)

    async def opened(self) -> None:
        self.open(self.root, [])
        await asyncio.wait_for(self.indexed.wait(), 60)

    async def until_found(self) -> Found:
        async with asyncio.timeout(60):
            while not (found := await self.gather(self.root, QUERY)):
                await asyncio.sleep(0.02)
        return found


@pytest.fixture
async def searcher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Watched]:
    monkeypatch.setenv("AIX_LSP_HOME", str(tmp_path / "home"))
    write(tmp_path / "w", {"bank.py": BANK, "main.py": "\n"})
    made = Watched(tmp_path / "w")
    yield made
    await made.close()
    assert not processes()


def processes() -> list[psutil.Process]:
    """The searchers of this process, with their builders."""
    return [child for child in psutil.Process().children(recursive=True) if "context.index" in command(child)]


def command(process: psutil.Process) -> str:
    """Its command line; empty where it has just ended."""
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


async def test_a_search_before_anything_is_open(searcher: Watched) -> None:
    assert await searcher.gather(searcher.root, QUERY) == []
    assert not processes()


async def test_what_is_found(searcher: Watched) -> None:
    await searcher.opened()
    found = await searcher.until_found()
    assert {
        "source": "imports",
        "path": "bank.py",
        "text": BANK.split("\n")[0],
        "rank": 0,
        "placeholders": [],
    } in found
    assert {piece["source"] for piece in found} == {"imports", "definitions", "similar"}


async def test_one_that_dies_is_started_again(searcher: Watched) -> None:
    await searcher.opened()
    await searcher.until_found()
    [running] = [process for process in processes() if "index.process" in command(process)]
    searcher.indexed.clear()
    running.kill()
    await asyncio.wait_for(searcher.indexed.wait(), 60)
    assert await searcher.until_found()


async def test_one_that_always_dies_is_left_alone(searcher: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/bin/false")
    searcher.open(searcher.root, [])
    assert await searcher.gather(searcher.root, QUERY) == []
    async with asyncio.timeout(60):
        while searcher.starts_left:
            await asyncio.sleep(0.02)
    assert await searcher.gather(searcher.root, QUERY) == []


async def test_an_index_that_is_damaged_while_it_is_used(
    searcher: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    await searcher.opened()
    await searcher.until_found()
    file = database(str(searcher.root))
    for beside in file.parent.glob(f"{file.name}-*"):
        beside.unlink()
    file.write_bytes(b"scribble" * 4096)
    async with asyncio.timeout(60):
        while not await searcher.gather(searcher.root, QUERY):
            # Who opens the file next finds it damaged.
            searcher.close_folders(but=[])
            searcher.indexed.clear()
            await searcher.opened()


@pytest.mark.parametrize("count", [3, 300])
async def test_files_that_change_at_once(searcher: Watched, count: int) -> None:
    await searcher.opened()
    write(searcher.root, {f"new{n}.py": f"def new_name_{n}(): ...\n" for n in range(count)})
    searcher.changed(searcher.root, [f"new{n}.py" for n in range(count)])
    query = QUERY | {"before": f"new_name_{count - 1}(", "sources": ["definitions"]}
    async with asyncio.timeout(60):
        while not (found := await searcher.gather(searcher.root, query)):
            await asyncio.sleep(0.02)
    assert [piece["path"] for piece in found] == [f"new{count - 1}.py"]


async def test_folders_are_let_go_of(searcher: Watched) -> None:
    await searcher.opened()
    await searcher.until_found()
    searcher.close_folders(but=[searcher.root])
    assert await searcher.gather(searcher.root, QUERY)
    searcher.close_folders(but=[])
    assert await searcher.gather(searcher.root, QUERY) == []


def test_the_server_itself_neither_parses_nor_searches() -> None:
    program = (
        "import sys, aix_lsp.completion.service\n"
        "print([name for name in sys.modules if name.startswith(('tree_sitter', 'sqlite3'))])"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert said.stdout == "[]\n"
