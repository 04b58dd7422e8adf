"""`aix/status` and the progress bar: the client learns the engine's state, and gets nothing it does not want."""

from __future__ import annotations

from typing import Any

import pytest

from aix_lsp.backends.base import BackendStatus, ModelInfo
from tests.client.peer import DirectPeer
from tests.client.places import STREAM, URI, at
from tests.lsp.scripted import READY, ScriptedBackend

BAR = {"window": {"workDoneProgress": True}}
LOADING = BackendStatus("loading", "loading weights", 0.4)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aix_lsp.lsp.status.PROGRESS_AFTER_S", 0.0)
    monkeypatch.setattr("aix_lsp.lsp.status.BUSY_AFTER_S", 0.0)


def states(peer: DirectPeer) -> list[str]:
    return [status["state"] for status in peer.notifications("aix/status")]


async def started(peer: DirectPeer, capabilities: Any = None, **more: Any) -> None:
    await peer.initialize(capabilities, **more)
    await peer.wait(lambda: peer.session.started.is_set())


async def test_from_loading_to_ready(peer: DirectPeer, backend: ScriptedBackend) -> None:
    backend.status = BackendStatus("starting", "starting the engine")
    await started(peer)
    backend.become(LOADING)
    backend.become(BackendStatus("loading", "loading weights", 0.401))
    backend.become(BackendStatus("ready", model=ModelInfo("scripted", running="lean, int8")))
    await peer.wait(lambda: states(peer) == ["loading", "loading", "ready"])
    assert peer.notifications("aix/status")[1:] == [
        {"state": "loading", "message": "loading weights", "fraction": 0.4, "model": "", "running": ""},
        {"state": "ready", "message": "", "fraction": None, "model": "scripted", "running": "lean, int8"},
    ]


async def test_an_error_with_its_reason(peer: DirectPeer, backend: ScriptedBackend) -> None:
    await started(peer)
    backend.become(BackendStatus("error", "no such model; set aix.model"))
    await peer.wait(lambda: states(peer)[-1] == "error")
    assert peer.notifications("aix/status")[-1]["message"] == "no such model; set aix.model"
    backend.become(BackendStatus("error", "no such model; set aix.model"))
    backend.become(BackendStatus("starting"))
    backend.become(BackendStatus("error", "no such model; set aix.model"))
    await peer.error("still/there")
    told = [note["message"] for note in peer.notifications("window/showMessage")]
    assert told == ["aix-lsp: no such model; set aix.model"]


@pytest.mark.parametrize(
    ("trouble", "shown"),
    [("away", "error"), ("refused", "error"), ("failing", "error"), ("throttled", "waiting")],
)
async def test_a_failure_is_shown_reported_once_and_cleared(
    peer: DirectPeer, backend: ScriptedBackend, trouble: Any, shown: str
) -> None:
    await started(peer)
    for number in range(3):
        backend.become(BackendStatus(trouble, f"http://box failed (500). Out of memory, request {number}1"))
        backend.become(READY)
    await peer.wait(lambda: states(peer) == [*states(peer)[:1], *[shown, "ready"] * 3])
    assert "Out of memory" in peer.notifications("aix/status")[1]["message"]
    told = [note["message"] for note in peer.notifications("window/showMessage")]
    assert len(told) == (1 if shown == "error" else 0)


async def test_waiting_is_reported_once_if_no_status_is_shown(
    peer: DirectPeer, backend: ScriptedBackend
) -> None:
    await started(peer, {"experimental": {"aix": {"status": False}}})
    for _ in range(2):
        backend.become(BackendStatus("throttled", "http://box limits the rate of requests (429)"))
        backend.become(READY)
    await peer.error("still/there")
    assert [note["type"] for note in peer.notifications("window/showMessage")] == [2]


async def test_a_backend_that_cannot_be_created(
    peer: DirectPeer, backend: ScriptedBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(settings: object) -> None:
        raise OSError("no runtime directory; set AIX_LSP_HOME")

    monkeypatch.setattr(peer.session.dependencies.pool, "_connect", fails)
    await peer.initialize()
    await peer.wait(lambda: states(peer) == ["error"])
    assert "AIX_LSP_HOME" in peer.notifications("aix/status")[0]["message"]


async def test_busy_while_it_generates(peer: DirectPeer, backend: ScriptedBackend) -> None:
    backend.hold = True
    await started(peer)
    text, params = at("x = |")
    peer.open(URI, text)
    id = peer.request(STREAM, params)
    await peer.wait(lambda: states(peer)[-1] == "busy" and bool(backend.running))
    backend.running[0].gate.set()
    await peer.answer(id)
    await peer.wait(lambda: states(peer)[-1] == "ready")
    assert states(peer) == ["ready", "busy", "ready"]


async def test_inactive_documents_say_why(peer: DirectPeer, backend: ScriptedBackend) -> None:
    await started(peer)
    uri = "file:///w/.env"
    text, params = at("KEY=|", uri=uri)
    peer.open(uri, text, "shellscript")
    assert (await peer.ask(STREAM, params))["items"] == []
    assert not backend.generations
    status = peer.notifications("aix/status")[-1]
    assert status["state"] == "inactive" and ".env" in status["message"]
    text, params = at("x = |")
    peer.open(URI, text)
    assert (await peer.ask(STREAM, params))["items"]
    assert "ready" in states(peer)[2:]


@pytest.mark.parametrize(
    ("client", "wanted", "told"),
    [("x", None, True), ("emacs", None, False), ("emacs", True, True), ("x", False, False)],
)
async def test_only_clients_that_want_it_get_the_status(
    peer: DirectPeer, client: str, wanted: bool | None, told: bool
) -> None:
    experimental = {} if wanted is None else {"experimental": {"aix": {"status": wanted}}}
    await started(peer, experimental, clientInfo={"name": client})
    await peer.error("still/there")
    assert bool(states(peer)) is told


def bars(peer: DirectPeer) -> list[str]:
    return [value["kind"] for value in peer.progress("aix-loading-1")]


async def test_the_progress_bar(peer: DirectPeer, backend: ScriptedBackend) -> None:
    backend.status = BackendStatus("starting", "starting the engine")
    await started(peer, BAR)
    await peer.wait(lambda: bars(peer) == ["begin"])
    backend.become(LOADING)
    await peer.wait(lambda: bars(peer) == ["begin", "report"])
    backend.become(READY)
    await peer.wait(lambda: bars(peer) == ["begin", "report", "end"])
    begin, report, _ = peer.progress("aix-loading-1")
    assert begin["title"] == "aix-lsp" and begin["cancellable"]
    assert (report["message"], report["percentage"]) == ("loading weights", 40)
    assert [m["method"] for m in peer.messages if "id" in m and "method" in m] == [
        "window/workDoneProgress/create"
    ]


async def test_no_progress_bar_if_the_client_supports_none(
    peer: DirectPeer, backend: ScriptedBackend
) -> None:
    backend.status = LOADING
    await started(peer)
    backend.become(READY)
    await peer.wait(lambda: states(peer)[-1:] == ["ready"])
    assert not peer.notifications("$/progress")


async def test_no_progress_bar_if_the_client_refuses_it(peer: DirectPeer, backend: ScriptedBackend) -> None:
    backend.status = LOADING
    peer.silent = True
    await started(peer, BAR)
    [call] = await peer.wait(lambda: [m for m in peer.messages if "id" in m and "method" in m])
    peer.send({"jsonrpc": "2.0", "id": call["id"], "error": {"code": -32000, "message": "no"}})
    backend.become(READY)
    await peer.error("still/there")
    assert not bars(peer)


async def test_cancelling_the_loading(peer: DirectPeer, backend: ScriptedBackend) -> None:
    backend.status = LOADING
    await started(peer, BAR)
    await peer.wait(lambda: bars(peer) == ["begin"])
    peer.notify("window/workDoneProgress/cancel", {"token": "another"})
    peer.notify("window/workDoneProgress/cancel", {"token": "aix-loading-1"})
    await peer.wait(lambda: bars(peer) == ["begin", "end"])
    await peer.wait(lambda: backend.closed)
    assert states(peer)[-1] == "inactive"
    text, params = at("x = |")
    peer.open(URI, text)
    assert (await peer.ask(STREAM, params))["items"] == []
    backend.closed, backend.status = False, READY
    await peer.ask("workspace/executeCommand", {"command": "aix.restartEngine"})
    assert states(peer)[-1] == "ready"
    assert (await peer.ask(STREAM, params))["items"]
