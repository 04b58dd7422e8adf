"""Broken models and machines: a clear message, and the server survives."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from aix_lsp.backends.engine_endpoint import engine_endpoint
from aix_lsp.settings import Settings
from tests.client.editor import Editor
from tests.client.engine_watch import EngineClient
from tests.client.lsp import inline_items
from tests.client.readiness import NotReady, wait_until_ready
from tests.end_to_end.conftest import PATIENT, SOURCE
from tests.engine.model.gguf_files import damage
from tests.models import SMALL
from training.gguf_writer import write_gguf

DAMAGES = ("cut in its tensors", "another file", "no tokenizer")
"""One each in the tensors, the first bytes and the tokenizer, because each costs an engine start.
`tests/engine/model/test_gguf.py` checks the messages of every kind.
"""


async def answers_empty(editor: Editor) -> None:
    """Assert that requests are still answered, without a suggestion."""
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
        shutil.copy(SMALL / "config.json", folder)
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
    shutil.copytree(SMALL, folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        text = (folder / name).read_text()
        for marker in ("prefix", "suffix", "middle"):
            text = text.replace(f"<|fim_{marker}|>", f"<|other_{marker}|>")
        (folder / name).write_text(text)
    async with await Editor.start(fresh_home) as editor:
        await editor.initialize(options=PATIENT | {"model": str(folder)})
        await wait_until_ready(editor)
        async with EngineClient(fresh_home) as engine:
            assert (await engine.health())["model"]["fim"] is False
        await suggests(editor)
        await suggests(editor)
    [log] = (fresh_home / "log").glob("engine-*.log")
    assert log.read_text().count("no fill-in-the-middle tokens") == 1


@pytest.mark.timeout(600)
async def test_bad_gguf_files_are_reported_in_one_line_and_the_server_survives(fresh_home: Path) -> None:
    """One after another in the same session, which uses a good model in the end."""
    good = write_gguf(SMALL, fresh_home / "good.gguf", "q8_0")
    told: dict[str, str] = {}
    async with await Editor.start(fresh_home) as editor:
        await editor.initialize(options=PATIENT | {"model": str(fresh_home / "missing.gguf")})
        for what in DAMAGES:
            file = fresh_home / f"{what.replace(' ', '-')}.gguf"
            shutil.copy(good, file)
            damage(file, what)
            await switches(editor, str(file))
            told[what] = await error_about(editor, file.name)
        assert all("\n" not in said and "model" in said for said in told.values()), told
        assert (
            "truncated" in told["cut in its tensors"] and "does not start like a GGUF" in told["another file"]
        )
        assert "aix-lsp models get mellum-4b" in await refused(editor, "mellum-4b")
        await answers_empty(editor)
        await switches(editor, str(good))
        await suggests_in_the_end(editor)


async def switches(editor: Editor, model: str) -> None:
    params = {"command": "aix.switchModel", "arguments": [model]}
    await editor.wire.request("workspace/executeCommand", params).result()


async def refused(editor: Editor, model: str) -> str:
    await switches(editor, model)
    return await error_about(editor, model)


async def error_about(editor: Editor, name: str) -> str:
    """The status message that reports the error of a model."""

    def found() -> list[str]:
        statuses = [n.params for n in editor.wire.notifications if n.method == "aix/status"]
        return [s["message"] for s in statuses if s["state"] == "error" and name in s["message"]]

    return str((await editor.wire.wait_for(found, 120))[0])


async def suggests_in_the_end(editor: Editor) -> None:
    buffer = editor.open(None, SOURCE)

    def ready() -> bool:
        states = [n.params["state"] for n in editor.wire.notifications if n.method == "aix/status"]
        return bool(states[-1] == "ready")

    await editor.wire.wait_for(ready, 120)
    assert inline_items(await editor.inline(buffer, "invoked").result())


async def test_a_kv_memory_below_one_context_is_reported_with_the_needed_size(fresh_home: Path) -> None:
    async with await Editor.start(fresh_home) as editor:
        await editor.initialize(options={"kvMemoryMb": 1})
        with pytest.raises(NotReady, match=r"kvMemoryMb is 1.*takes \d+"):
            await wait_until_ready(editor)
        await answers_empty(editor)


async def test_a_kv_memory_of_one_context_serves_document_after_document(fresh_home: Path) -> None:
    async with await Editor.start(fresh_home) as editor:
        await editor.initialize(options=PATIENT | {"kvMemoryMb": 14})
        await wait_until_ready(editor)
        for number in range(6):
            buffer = editor.open(None, "".join(f"row_{number}_{i} = {i}\n" for i in range(300)) + SOURCE)
            assert inline_items(await editor.inline(buffer, "invoked").result())


async def test_a_read_only_home_is_reported_with_the_remedy(fresh_home: Path) -> None:
    home = fresh_home / "file"
    home.touch()
    async with await Editor.start(home) as editor:
        await editor.initialize()
        with pytest.raises(NotReady, match=r"set AIX_LSP_HOME to a folder that you can write") as failure:
            await wait_until_ready(editor)
        assert str(home) in str(failure.value)
        await answers_empty(editor)
        assert await editor.shutdown() == 0
        assert "Traceback" not in editor.log()


@pytest.fixture
def socket_place(fresh_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the engine of a fresh home will listen."""
    monkeypatch.setenv("AIX_LSP_HOME", str(fresh_home))
    path = engine_endpoint(Settings()).socket
    if path is None:
        pytest.skip("no Unix sockets here")
    return path


async def test_a_socket_path_that_is_a_folder_is_reported(fresh_home: Path, socket_place: Path) -> None:
    (socket_place / "occupied").mkdir(parents=True)
    async with await Editor.start(fresh_home) as editor:
        await editor.initialize()
        with pytest.raises(NotReady) as failure:
            await wait_until_ready(editor)
        assert str(socket_place) in str(failure.value) or "AIX_LSP_HOME" in str(failure.value)
        await answers_empty(editor)
