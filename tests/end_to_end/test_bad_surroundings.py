"""Models, settings and machines that are wrong: a clear message, and the server lives."""

from __future__ import annotations

import json
import shutil
import socket
import sys
from pathlib import Path
from typing import Any

import pytest

import aix_lsp
from benchmarks.editor import Editor
from benchmarks.engine_watch import socket_of, wait_until
from benchmarks.lsp import inline_items
from benchmarks.readiness import NotReady, wait_until_ready
from tests.end_to_end.conftest import SOURCE

EMBEDDED = Path(aix_lsp.__file__).parent / "embedded"


def messages(editor: Editor) -> str:
    """What a user would have seen or could read in the log."""
    shown = [str(n.params) for n in editor.wire.notifications if n.method.startswith("window/")]
    return "\n".join([*shown, editor.log()])


async def answers_empty(editor: Editor) -> None:
    """Requests are still answered, without a suggestion."""
    buffer = editor.open(None, SOURCE)
    assert inline_items(await editor.inline(buffer).result()) == []
    assert inline_items(await editor.stream(buffer).result()) == []
    await editor.complete(buffer).result()


async def suggests(editor: Editor) -> None:
    buffer = editor.open(None, SOURCE)
    assert inline_items(await editor.inline(buffer, "invoked").result())


@pytest.mark.parametrize("broken", ["missing", "no weights"])
async def test_a_model_folder_that_cannot_be_read(fresh_home: Path, broken: str) -> None:
    folder = fresh_home / "model"
    if broken == "no weights":
        folder.mkdir()
        shutil.copy(EMBEDDED / "config.json", folder)
    async with await Editor.start(fresh_home) as editor:
        await editor.initialize(options={"model": str(folder), "offline": True})
        with pytest.raises(NotReady) as failure:
            await wait_until_ready(editor)
        assert str(folder) in str(failure.value)
        assert "model" in str(failure.value)
        await answers_empty(editor)
        assert await editor.shutdown() == 0


async def test_a_model_without_fim_tokens_continues_the_prefix(fresh_home: Path) -> None:
    folder = fresh_home / "model"
    shutil.copytree(EMBEDDED, folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        text = (folder / name).read_text()
        for marker in ("prefix", "suffix", "middle"):
            text = text.replace(f"<|fim_{marker}|>", f"<|other_{marker}|>")
        (folder / name).write_text(text)
    async with await Editor.start(fresh_home) as editor:
        await editor.initialize(options={"model": str(folder)})
        status = await wait_until_ready(editor)
        assert status["model"]["fim"] is False
        await suggests(editor)
        await suggests(editor)


async def test_a_tiny_kv_memory_still_serves(fresh_home: Path) -> None:
    async with await Editor.start(fresh_home) as editor:
        await editor.initialize(options={"kvMemoryMb": 1})
        await wait_until_ready(editor)
        for _ in range(3):
            await suggests(editor)


@pytest.mark.skipif(sys.platform == "win32", reason="no Unix sockets")
async def test_a_stale_socket_is_no_obstacle(fresh_home: Path) -> None:
    async with await Editor.start(fresh_home) as editor:
        await editor.initialize(options={"idleExitS": 0.5})
        await wait_until_ready(editor)
        path = socket_of(fresh_home)
    assert path
    await wait_until(lambda: not path.exists(), what="the socket's removal")
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))
    assert path.is_socket()
    async with await Editor.start(fresh_home) as editor:
        await editor.initialize()
        await wait_until_ready(editor)
        await suggests(editor)


@pytest.mark.skipif(sys.platform == "win32", reason="no Unix sockets")
async def test_a_socket_path_that_is_a_folder_is_reported(fresh_home: Path) -> None:
    async with await Editor.start(fresh_home) as editor:
        await editor.initialize(options={"idleExitS": 0.5})
        await wait_until_ready(editor)
        path = socket_of(fresh_home)
    assert path
    await wait_until(lambda: not path.exists(), what="the socket's removal")
    path.mkdir()
    (path / "occupied").touch()
    async with await Editor.start(fresh_home) as editor:
        await editor.initialize()
        with pytest.raises(NotReady) as failure:
            await wait_until_ready(editor)
        assert str(path) in str(failure.value) or "AIX_LSP_HOME" in str(failure.value)
        await answers_empty(editor)


WRONG_SETTINGS: tuple[tuple[Any, str], ...] = (
    ({"maxTokens": -5}, "maxTokens"),
    ({"maxTokens": "many"}, "maxTokens"),
    ({"maxTokenz": 10}, "maxTokens"),
    ({"multiline": "sometimes"}, "multiline"),
    ({"languages": {"python": {"maxTokens": "x"}}}, "maxTokens"),
    (["not", "an", "object"], "initializationOptions"),
)


@pytest.mark.parametrize(("options", "named"), WRONG_SETTINGS, ids=lambda value: json.dumps(value)[:40])
async def test_wrong_settings_are_named_and_the_defaults_used(
    engine_home: Path, options: Any, named: str
) -> None:
    async with await Editor.start(engine_home) as editor:
        await editor.initialize(options=options)
        await wait_until_ready(editor)
        await suggests(editor)
        assert named in messages(editor)


async def test_wrong_answers_to_workspace_configuration(engine_home: Path) -> None:
    async with await Editor.start(engine_home, configuration={"temperature": "hot"}) as editor:
        await editor.initialize()
        await wait_until_ready(editor)
        await suggests(editor)
        await wait_until(lambda: "temperature" in messages(editor), what="a message about the setting")


async def test_a_settings_file_with_a_syntax_error(engine_home: Path, tmp_path: Path) -> None:
    (tmp_path / ".aix-lsp.toml").write_text("max_tokens = = 3\n")
    async with await Editor.start(engine_home) as editor:
        await editor.initialize(root=tmp_path)
        await wait_until_ready(editor)
        await suggests(editor)
        await wait_until(lambda: ".aix-lsp.toml" in messages(editor), what="a message about the file")
