"""The server starts at once, without torch, and shows what it is waiting for."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest
import pytest_asyncio

import aix_lsp
from tests.client.editor import Editor
from tests.client.engine_watch import engine_pids, wait_until, wait_until_gone
from tests.client.lsp import inline_items
from tests.client.readiness import wait_until_ready
from tests.end_to_end.conftest import PATIENT, SOURCE


@pytest_asyncio.fixture
async def editor(engine_home: Path) -> AsyncIterator[Editor]:
    """An editor that has started its own server, whose engine is ready."""
    async with await Editor.start(engine_home) as editor:
        await editor.initialize(options=PATIENT)
        await wait_until_ready(editor)
        yield editor


def mapped_files(pid: int) -> str:
    """The memory map of a process, which lists its libraries; empty if it has ended."""
    try:
        return Path(f"/proc/{pid}/maps").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
async def test_the_server_never_loads_torch_and_the_engine_does(editor: Editor, engine_home: Path) -> None:
    buffer = editor.open(None, SOURCE)
    assert inline_items(await editor.inline(buffer, "invoked").result())
    assert editor.process
    server = mapped_files(editor.process.pid)
    assert server
    assert "libtorch" not in server
    # Engines of earlier tests, with other settings, may still be exiting.
    assert any("libtorch" in mapped_files(engine) for engine in engine_pids(engine_home))


async def test_initialize_declares_the_supported_requests(editor: Editor) -> None:
    declared = editor.capabilities
    assert declared["completionProvider"] is not None
    assert declared["inlineCompletionProvider"] is not None
    assert "aix/inlineCompletion" in str(declared["experimental"])
    assert declared["positionEncoding"] == "utf-16"
    assert editor.server_info["name"] == "aix-lsp"
    assert editor.server_info["version"] == aix_lsp.__version__


def test_the_version_matches_the_package_metadata() -> None:
    try:
        assert aix_lsp.__version__ == version("aix-lsp")
    except PackageNotFoundError:
        pytest.skip("aix-lsp is not installed here")


async def test_a_first_start_shows_loading_answers_early_requests_with_nothing_and_exits(
    fresh_home: Path,
) -> None:
    async with await Editor.start(fresh_home) as editor:
        await editor.initialize(options={"idleExitS": 0.5})
        buffer = editor.open(None, SOURCE)
        early = await editor.inline(buffer).result()
        assert inline_items(early) == []
        await wait_until_ready(editor)
        assert any(request.method == "window/workDoneProgress/create" for request in editor.wire.requests)
        values = [n.params["value"] for n in editor.wire.notifications if n.method == "$/progress"]
        kinds = [value["kind"] for value in values if "kind" in value]
        assert kinds[0] == "begin"
        await editor.wire.wait_for(
            lambda: any(
                n.params["value"].get("kind") == "end"
                for n in editor.wire.notifications
                if n.method == "$/progress"
            )
        )
        assert inline_items(await editor.inline(buffer, "invoked").result())
        server = editor.process
        assert server
        assert await editor.shutdown() == 0
    with pytest.raises(ProcessLookupError):
        os.kill(server.pid, 0)
    await wait_until_gone(fresh_home)


async def test_a_client_without_work_done_progress_gets_none(engine_home: Path) -> None:
    async with await Editor.start(engine_home) as editor:
        await editor.initialize({})
        await wait_until_ready(editor)
        assert not [r for r in editor.wire.requests if r.method == "window/workDoneProgress/create"]


async def test_exit_without_shutdown_is_status_1(engine_home: Path) -> None:
    async with await Editor.start(engine_home) as editor:
        await editor.initialize()
        editor.wire.notify("exit")
        assert editor.process
        assert await editor.process.wait() == 1


async def test_the_server_exits_when_the_editor_s_pipe_closes(engine_home: Path) -> None:
    async with await Editor.start(engine_home) as editor:
        await editor.initialize()
        assert editor.process and editor.process.stdin
        editor.process.stdin.close()
        await wait_until(lambda: editor.process and editor.process.returncode is not None, what="the exit")
