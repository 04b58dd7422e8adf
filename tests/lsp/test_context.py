"""Other files in the prompt, through the whole server: what the model's server receives, and what it never does."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from aix_lsp.engine.pages.radix import common_length
from aix_lsp.lsp.main import default_dependencies
from aix_lsp.lsp.options import LspOptions
from aix_lsp.lsp.session import Dependencies
from tests.backends.servers import CompletionsServer, says, serving
from tests.client.peer import DirectPeer
from tests.client.places import INLINE, at
from tests.lsp.scripted import ScriptedBackend

Connect = Callable[[Dependencies], DirectPeer]
FILES = {
    ".gitignore": "ignored.py\n",
    ".aixignore": "private/\n",
    "bank.py": "class Ledger:\n    def open_account(self, name: str) -> int:\n        return 1\n",
    "moves.py": 'TOKEN = "ghp_'
    + "aB3" * 12
    + '"\n\ndef open_account_twice(ledger):\n    ledger.open_account("one")\n',
    "ignored.py": "def open_account_ignored(ledger):\n    ledger.open_account(IGNORED)\n",
    "private/p.py": "def open_account_private(ledger):\n    ledger.open_account(PRIVATE)\n",
    "mine/m.py": "def open_account_excluded(ledger):\n    ledger.open_account(EXCLUDED)\n",
    ".env": "open_account=LEAKED\n",
}
MAIN = "from bank import Ledger\n\nledger = Ledger()\nledger.open_account(|)\n"


@pytest.fixture
async def model() -> AsyncIterator[CompletionsServer]:
    """A remote server whose model takes context from other files."""
    server = CompletionsServer(says("name"))
    server.models = {"data": [{"id": "Qwen2.5-Coder-7B", "owned_by": "vllm", "max_model_len": 8192}]}
    async with serving(server):
        yield server


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "w"
    (folder / ".git").mkdir(parents=True)
    for path, text in FILES.items():
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_text(text)
    return folder


async def begun(connect: Connect, model: CompletionsServer, root: Path, **settings: Any) -> DirectPeer:
    """A client in the workspace, with `main.py` open, the model ready and the workspace indexed."""
    told = {"url": model.url, "deadlineMs": 60_000, "waitMs": 0, **settings}
    peer = connect(default_dependencies(LspOptions(settings=told)))
    await peer.initialize(workspaceFolders=[{"uri": root.as_uri(), "name": "w"}])
    await peer.wait(lambda: peer.session.started.is_set())
    [configured] = {id(configured): configured for configured in peer.session.services}.values()
    await peer.wait(lambda: configured.backend.status.state == "ready")
    done: list[tuple[int, int]] = []
    configured.service.indexing = lambda folder, so_far, of: done.append((so_far, of))
    uri = (root / "main.py").as_uri()
    peer.open(uri, at(MAIN)[0])
    document = await peer.wait(lambda: peer.session.documents.store.get(uri))
    if peer.session.settings_for(document).context_tokens:
        await peer.wait(lambda: (0, 0) in done)
    return peer


async def asked(peer: DirectPeer, model: CompletionsServer, root: Path, source: str = MAIN) -> str:
    """The prompt that the model's server gets for a request at "|"."""
    _, params = at(source, uri=(root / "main.py").as_uri())
    await peer.ask("workspace/executeCommand", {"command": "aix.clearCaches"})
    before = len(model.bodies)
    await peer.ask(INLINE, params)
    await peer.wait(lambda: len(model.bodies) > before)
    return str(model.bodies[-1]["prompt"])


async def until(peer: DirectPeer, model: CompletionsServer, root: Path, sight: Callable[[str], bool]) -> str:
    """The first prompt for which `sight` is true: snippets found late are for the next request."""
    async with asyncio.timeout(60):
        while not sight(prompt := await asked(peer, model, root)):
            await asyncio.sleep(0.02)
    return prompt


async def test_other_files_are_sent_and_private_ones_never(
    connect: Connect, model: CompletionsServer, root: Path
) -> None:
    peer = await begun(connect, model, root, exclude=["mine/"])
    for path in ("ignored.py", "private/p.py", "mine/m.py"):  # the user works in them too
        uri, zero = (root / path).as_uri(), {"line": 0, "character": 0}
        peer.open(uri, FILES[path])
        peer.change(uri, 2, {"range": {"start": zero, "end": zero}, "text": "PRIVATE = 1\n"})
        await peer.ask(INLINE, at(FILES[path] + "|", uri=uri)[1])
    prompt = await until(peer, model, root, lambda prompt: "open_account_twice" in prompt)
    assert "<|file_sep|>bank.py\nclass Ledger:\n    def open_account(self, name: str) -> int:" in prompt
    for body in model.bodies:
        for never in ("IGNORED", "PRIVATE", "EXCLUDED", "LEAKED", "aB3aB3", str(root)):
            assert never not in str(body)


@pytest.mark.parametrize(
    ("settings", "there", "missing"),
    [
        ({"contextTokens": 0}, [], ["file_sep"]),
        ({"contextImports": False, "contextDefinitions": False}, ["open_account_twice", "return 1"], []),
        ({"contextSimilar": False}, ["class Ledger"], ["open_account_twice", "return 1"]),
        (
            {"contextSimilar": False, "contextImports": False, "contextDefinitions": False},
            [],
            ["open_account_twice", "class Ledger"],
        ),
        ({"languages": {"python": {"contextTokens": 0}}}, [], ["file_sep"]),
    ],
)
async def test_each_source_has_its_switch(
    connect: Connect,
    model: CompletionsServer,
    root: Path,
    settings: dict[str, Any],
    there: list[str],
    missing: list[str],
) -> None:
    peer = await begun(connect, model, root, **settings)
    prompt = await until(peer, model, root, lambda prompt: all(name in prompt for name in there))
    assert not any(name in prompt for name in missing)


async def test_a_model_that_takes_no_context_gets_no_other_files(
    connect: Connect, model: CompletionsServer, root: Path
) -> None:
    model.models["data"][0]["id"] = "starcoder"
    peer = await begun(connect, model, root, contextTokens=0)
    assert "bank.py" not in await asked(peer, model, root)


@pytest.mark.parametrize("how", ["watched", "saved"])
async def test_a_newly_written_file_is_found(
    connect: Connect, model: CompletionsServer, root: Path, how: str
) -> None:
    peer = await begun(connect, model, root)
    new = root / "bank.py"
    new.write_text("class Ledger:\n    def rewritten(self, name: str) -> int:\n        return 1\n")
    os.utime(new, ns=(0, new.stat().st_mtime_ns + 10**9))
    if how == "watched":
        changes = [{"uri": new.as_uri(), "type": 2}, {"uri": "untitled:x", "type": 1}]
        peer.notify("workspace/didChangeWatchedFiles", {"changes": changes})
    else:
        peer.notify("textDocument/didSave", {"textDocument": {"uri": new.as_uri()}})
    text, _ = at(MAIN)
    uri = (root / "main.py").as_uri()
    async with asyncio.timeout(60):
        while True:  # snippets for an open document stay until the window moves
            peer.notify("textDocument/didClose", {"textDocument": {"uri": uri}})
            peer.open(uri, text)
            await asked(peer, model, root)
            if "def rewritten" in (prompt := await asked(peer, model, root)):
                break
    assert "def open_account(self" not in prompt


async def test_places_edited_before(connect: Connect, model: CompletionsServer, root: Path) -> None:
    peer = await begun(connect, model, root, contextSimilar=False)
    other = (root / "other.py").as_uri()
    peer.open(other, "def edited_lately(ledger):\n    pass\n")
    zero = {"line": 1, "character": 4}
    peer.change(other, 2, {"range": {"start": zero, "end": zero}, "text": "ledger.close(NOT_SAVED)\n    "})
    assert "<|file_sep|>other.py\ndef edited_lately(ledger):\n    ledger.close(NOT_SAVED)" in await asked(
        peer, model, root
    )


@pytest.mark.parametrize(
    ("allowed", "text"), [(True, "copied = 1\nlines = 2\n"), (True, "password"), (False, "copied = 1\nx = 2")]
)
async def test_the_clipboard_only_if_enabled(
    connect: Connect, model: CompletionsServer, root: Path, allowed: bool, text: str
) -> None:
    peer = await begun(connect, model, root, contextSimilar=False, contextClipboard=allowed)
    peer.notify("aix/didCopy", {"text": text})
    peer.notify("aix/didCopy", None)
    peer.notify("aix/didCopy", {"text": 5})
    prompt = await asked(peer, model, root)
    assert (text.split("\n")[0] in prompt) == (allowed and "\n" in text)


async def test_typing_only_adds_to_the_prompt(connect: Connect, model: CompletionsServer, root: Path) -> None:
    """The prompts' common prefix is what a server that keeps its last prompt's KV need not process again."""
    for number in range(40):
        (root / f"more{number}.py").write_text(
            f"def open_account_{number}(ledger):\n    return {number}\n" * 5
        )
    peer = await begun(connect, model, root)
    await until(peer, model, root, lambda prompt: "open_account_twice" in prompt)
    uri, prompts = (root / "main.py").as_uri(), [str(model.bodies[-1]["prompt"])]
    typed = "".join(f"\nledger.open_account(name_{number})  # number {number}" for number in range(25))
    before = at(MAIN)[0].rstrip("\n")
    for length in range(1, len(typed) + 1):
        done = before + typed[: length - 1]
        line, column = done.count("\n"), len(done) - done.rfind("\n") - 1
        place = {"line": line, "character": column}
        edit = {"range": {"start": place, "end": place}, "text": typed[length - 1]}
        peer.change(uri, length + 1, edit)
        if length % 7 == 0:
            prompts.append(await asked(peer, model, root, before + typed[:length] + "|"))
    shared = [common_length(one, two) / len(two) for one, two in pairwise(prompts)]
    assert "open_account_twice" in prompts[-1] and len(shared) > 50
    # There are seven characters between two requests here.
    assert sum(shared) / len(shared) > 0.97


async def test_the_progress_bar_during_indexing(
    peer: DirectPeer, backend: ScriptedBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aix_lsp.lsp.status.PROGRESS_AFTER_S", 0.0)
    await peer.initialize({"window": {"workDoneProgress": True}})
    await peer.wait(lambda: peer.session.started.is_set())
    status = peer.session.status
    status.note_indexing("/home/me/project", 10, 40)
    await peer.wait(lambda: peer.progress("aix-indexing-1"))
    status.note_indexing("/home/me/project", 40, 40)
    await peer.wait(lambda: peer.progress("aix-indexing-1")[-1]["kind"] == "end")
    begin = peer.progress("aix-indexing-1")[0]
    assert (begin["message"], begin["percentage"]) == ("indexing project", 25)


async def test_cancelling_the_progress_bar_stops_the_indexing(
    connect: Connect, model: CompletionsServer, root: Path
) -> None:
    peer = await begun(connect, model, root)
    await until(peer, model, root, lambda prompt: "open_account_twice" in prompt)
    peer.session.status.indexing.token = "aix-indexing-1"
    peer.notify("window/workDoneProgress/cancel", {"token": "aix-indexing-1"})
    text, _ = at(MAIN)
    uri = (root / "main.py").as_uri()
    peer.notify("textDocument/didClose", {"textDocument": {"uri": uri}})
    peer.open(uri, text)
    assert "class Ledger" not in await asked(peer, model, root)


async def test_sources_are_watched(peer: DirectPeer) -> None:
    asked: list[Any] = []
    peer.calls["client/registerCapability"] = asked.append
    await peer.initialize({"workspace": {"didChangeWatchedFiles": {"dynamicRegistration": True}}})
    await peer.wait(lambda: asked)
    [registration] = asked[0]["registrations"]
    globs = [watcher["globPattern"] for watcher in registration["registerOptions"]["watchers"]]
    assert "**/.aix-lsp.toml" in globs and any(",py," in glob for glob in globs)
