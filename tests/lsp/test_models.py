"""The commands behind the editors' model pickers, with the real command line; the hint of a better model."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest

from aix_lsp.lsp import jsonrpc
from aix_lsp.models import fit, hint
from aix_lsp.models.catalogue import entries, find
from aix_lsp.models.fit import Speed
from tests.client.peer import DirectPeer
from tests.lsp.scripted import ScriptedBackend
from tests.lsp.test_commands import run, started
from tests.models.hub import COMMIT, Hub, serving

NAME = "qwen2.5-coder-0.5b"
ENTRY = find(NAME)
assert ENTRY is not None and ENTRY.gguf is not None
REPOSITORY = ENTRY.gguf.repository
WEIGHTS = bytes(1 << 20)

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with serving(Hub({REPOSITORY: {"q8_0.gguf": WEIGHTS}})) as hub:
        monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        monkeypatch.setattr("tests.client.peer.PATIENCE_S", 240)  # the commands start Python and import much
        for name in ("HOME", "USERPROFILE"):
            monkeypatch.setenv(name, str(tmp_path))
        for name in ("HF_HUB_CACHE", "HF_HUB_OFFLINE", "OLLAMA_MODELS", "LLAMA_CACHE"):
            monkeypatch.delenv(name, raising=False)
        yield hub


async def refused(peer: DirectPeer, *arguments: object) -> tuple[int, str]:
    params = {"command": "aix.getModel", "arguments": list(arguments)}
    answer = await peer.answer(peer.request("workspace/executeCommand", params))
    return answer["error"]["code"], answer["error"]["message"]


async def test_the_models_that_can_be_chosen(peer: DirectPeer, hub: Hub) -> None:
    await started(peer)
    told = await run(peer, "aix.models")
    assert told["current"] == "embedded"
    first, *others = told["choices"]
    assert first["model"] == "embedded"
    assert {choice["get"] for choice in others} == {entry.name for entry in entries()}
    qwen = next(choice for choice in others if choice["get"] == NAME)
    assert qwen["model"] == NAME and "0.49 G weights" in qwen["about"] and "Apache" in qwen["licence"]


async def test_a_download_with_progress(peer: DirectPeer, hub: Hub, tmp_path: Path) -> None:
    await peer.initialize({"window": {"workDoneProgress": True}})
    await peer.wait(lambda: peer.session.started.is_set())
    assert await run(peer, "aix.getModel", {"name": NAME, "agreed": True}) == {"model": NAME}
    folder = tmp_path / "hf" / "hub" / f"models--{REPOSITORY.replace('/', '--')}"
    assert (folder / "snapshots" / COMMIT / "q8_0.gguf").read_bytes() == WEIGHTS
    (choice,) = [c for c in (await run(peer, "aix.models"))["choices"] if c["model"] == NAME]
    assert "get" not in choice and "downloaded" in choice["about"]


async def test_nothing_is_downloaded_without_consent(peer: DirectPeer, hub: Hub) -> None:
    await started(peer)
    code, said = await refused(peer, {"name": NAME})
    assert code == jsonrpc.INVALID_REQUEST and "Apache License 2.0" in said and "ask the user" in said
    assert (await refused(peer, {"name": "someone/else", "agreed": True}))[0] == jsonrpc.INVALID_PARAMS
    assert (await refused(peer))[0] == jsonrpc.INVALID_PARAMS
    assert hub.asked == []


async def test_a_failure_is_one_line(peer: DirectPeer, hub: Hub) -> None:
    hub.refusal = 404, {"X-Error-Code": "RepoNotFound"}
    await started(peer)
    code, said = await refused(peer, {"name": NAME, "agreed": True})
    assert code == jsonrpc.REQUEST_FAILED and "hf auth login" in said and "\n" not in said


def measured(home: Path) -> None:
    """Write the measurements of a model loaded on a fast computer yesterday."""
    fit.remember(Speed(24_000_000, {1: 0.0005, 4: 0.0006, 16: 0.001, 128: 0.004}))
    state = home / "state" / "model-hint.json"
    state.parent.mkdir(parents=True, exist_ok=True)
    yesterday = date.today() - timedelta(days=1)
    state.write_text(json.dumps({"since": yesterday.isoformat(), "shown": False}))


async def test_a_better_model_is_suggested_once(
    peer: DirectPeer, backend: ScriptedBackend, hub: Hub, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aix_lsp.models.listing.available_bytes", lambda: 8 << 30)
    measured(home)
    await started(peer)
    peer.session.status.when_ready("embedded")
    await peer.wait(lambda: peer.notifications("window/showMessage"))
    peer.session.status.when_ready("embedded")
    ((said,)) = [one["message"] for one in peer.notifications("window/showMessage")]
    assert "qwen2.5-coder-1.5b" in said and "aix-lsp models" in said
    assert hint.due() == "", "never again"


def test_when_a_hint_is_due(home: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aix_lsp.models.listing.available_bytes", lambda: 8 << 30)
    today = date(2026, 1, 1)
    assert hint.due(today) == "", "the first day is for getting to know"
    assert hint.due(today + timedelta(days=1)) == "", "nothing is known of this computer's speed"
    fit.remember(Speed(24_000_000, {1: 0.0005, 4: 0.0006, 16: 0.001, 128: 0.004}))
    assert hint.due(today + timedelta(days=15)) == "", "the first days are over"
    assert "qwen2.5-coder-1.5b" in hint.due(today + timedelta(days=2))
    assert hint.due(today + timedelta(days=3)) == ""


def test_no_hint_if_it_cannot_be_remembered(home: Path, hub: Hub) -> None:
    home.write_text("a file in the place of the folder")
    assert hint.due() == ""


@pytest.mark.parametrize(
    ("free_gb", "slower", "best"),
    [
        (8, 1, "qwen2.5-coder-1.5b"),
        (3, 1, "qwen2.5-coder-0.5b"),
        (1, 1, None),
        (80, 0.9, "qwen3-coder-30b-a3b"),
        (8, 50, None),
    ],
)
def test_the_best_model_for_a_computer(
    free_gb: int, slower: float, best: str | None, home: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Gated ones and those whose licence forbids work are never hinted at."""
    monkeypatch.setattr("aix_lsp.models.listing.available_bytes", lambda: free_gb * 10**9)
    quick = {1: 0.0005, 4: 0.0006, 16: 0.001, 128: 0.004}
    fit.remember(Speed(24_000_000, {rows: seconds * slower for rows, seconds in quick.items()}))
    found = hint.better()
    assert (found.entry.name if found else None) == best
