"""`workspace/executeCommand` and the feedback notifications."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from typing import Any

import pytest

from aix_lsp.backends.base import Delta, GenerateRequest, Usage
from aix_lsp.lsp import jsonrpc
from aix_lsp.lsp.session import Dependencies
from tests.client.peer import DirectPeer
from tests.client.places import INLINE, POPUP, STREAM, URI, applied, at
from tests.lsp.scripted import Generation, ScriptedBackend, dependencies


async def run(peer: DirectPeer, command: str, *arguments: Any) -> Any:
    return await peer.ask("workspace/executeCommand", {"command": command, "arguments": list(arguments)})


async def suggestion(peer: DirectPeer, method: str = STREAM, source: str = "x = |") -> dict[str, Any]:
    text, params = at(source)
    peer.open(URI, text)
    item: dict[str, Any] = (await peer.ask(method, params))["items"][0]
    return item


async def started(peer: DirectPeer) -> None:
    await peer.initialize()
    await peer.wait(lambda: peer.session.started.is_set())


async def test_all_commands_are_declared(peer: DirectPeer) -> None:
    declared = (await peer.initialize())["capabilities"]["executeCommandProvider"]["commands"]
    assert set(declared) == {
        "aix.accept",
        "aix.nextCandidate",
        "aix.previousCandidate",
        "aix.clearCaches",
        "aix.statistics",
        "aix.enable",
        "aix.disable",
        "aix.restartEngine",
        "aix.switchModel",
        "aix.models",
        "aix.getModel",
    }


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        ("aix.unknown", []),
        ("aix.accept", []),
        ("aix.accept", [5]),
        ("aix.switchModel", []),
        ("aix.switchModel", [None]),
        ("aix.enable", [5]),
        ("aix.disable", [{"language": 3}]),
        ("aix.nextCandidate", []),
        ("aix.nextCandidate", [{"uri": "file:///w/a.py"}]),
        ("aix.previousCandidate", [{"textDocument": {"uri": "file:///w/a.py"}, "position": {"line": "0"}}]),
    ],
)
async def test_commands_that_cannot_be_run(peer: DirectPeer, command: str, arguments: list[Any]) -> None:
    await started(peer)
    params = {"command": command, "arguments": arguments}
    assert await peer.error("workspace/executeCommand", params) == jsonrpc.INVALID_PARAMS


@pytest.mark.parametrize("method", [STREAM, INLINE, POPUP])
async def test_accepting_by_the_items_own_command(peer: DirectPeer, method: str) -> None:
    await started(peer)
    item = await suggestion(peer, method)
    await run(peer, item["command"]["command"], *item["command"]["arguments"])
    figures = await run(peer, "aix.statistics")
    assert (figures["accepted"], figures["kept_characters"]) == (1, len("x_done"))


@pytest.mark.parametrize("method", [STREAM, INLINE])
async def test_notifications_with_the_item(peer: DirectPeer, backend: ScriptedBackend, method: str) -> None:
    backend.say = lambda request: ["'😀ab'"]
    await started(peer)
    item = await suggestion(peer, method)
    peer.notify("aix/didShow", {"item": item})
    peer.notify("aix/didPartiallyAccept", {"item": item, "acceptedLength": 3})
    figures = await run(peer, "aix.statistics")
    assert (figures["shown"], figures["partly"], figures["kept_characters"]) == (1, 1, 2)


async def test_notifications_with_ids(peer: DirectPeer) -> None:
    await started(peer)
    item = await suggestion(peer)
    id = item["data"]["id"]
    peer.notify("aix/didShow", {"id": id})
    peer.notify("aix/didReject", {"ids": [id, "unknown", 5]})
    figures = await run(peer, "aix.statistics")
    assert (figures["shown"], figures["rejected"], figures["accepted"]) == (1, 1, 0)


@pytest.mark.parametrize(
    "params", [None, [], {}, {"id": 5}, {"item": 5}, {"item": {"data": 1, "command": {}}}, {"ids": 7}]
)
async def test_feedback_without_a_meaning(peer: DirectPeer, params: Any) -> None:
    await started(peer)
    for method in ("aix/didShow", "aix/didAccept", "aix/didPartiallyAccept", "aix/didReject"):
        peer.notify(method, params)
    assert (await run(peer, "aix.statistics"))["shown"] == 0


async def test_clearing_the_caches(peer: DirectPeer, backend: ScriptedBackend) -> None:
    await started(peer)
    assert (await suggestion(peer))["data"]["source"] == "model"
    params = at("x = |")[1]
    assert (await peer.ask(STREAM, params))["items"][0]["data"]["source"] == "reuse"
    await run(peer, "aix.clearCaches")
    assert (await peer.ask(STREAM, params))["items"][0]["data"]["source"] == "model"


@pytest.mark.parametrize(
    ("arguments", "python", "go"),
    [([], False, False), (["python"], False, True), ([{"language": "go"}], True, False)],
)
async def test_switching_off_and_on(peer: DirectPeer, arguments: list[Any], python: bool, go: bool) -> None:
    await started(peer)

    async def suggests(language: str) -> bool:
        uri = f"file:///w/a.{language}"
        text, params = at("x = |", uri=uri)
        peer.open(uri, text, language)
        return bool((await peer.ask(STREAM, params))["items"])

    await run(peer, "aix.disable", *arguments)
    assert (await suggests("python"), await suggests("go")) == (python, go)
    await run(peer, "aix.enable", *arguments)
    assert (await suggests("python"), await suggests("go")) == (True, True)


async def test_switching_off_a_folder(peer: DirectPeer) -> None:
    folder = {"uri": "file:///w", "name": "w"}
    await peer.initialize(workspaceFolders=[folder])
    await peer.wait(lambda: peer.session.started.is_set())
    await run(peer, "aix.disable", {"workspace": "file:///w"})
    text, params = at("x = |")
    peer.open(URI, text)
    assert (await peer.ask(STREAM, params))["items"] == []
    text, params = at("x = |", uri="file:///v/a.py")
    peer.open("file:///v/a.py", text)
    assert (await peer.ask(STREAM, params))["items"]


async def test_restarting_the_engine(peer: DirectPeer, backend: ScriptedBackend) -> None:
    await started(peer)
    await run(peer, "aix.restartEngine")
    assert backend.restarts == 1


def several(request: GenerateRequest) -> list[str]:
    """The first candidate is "one"; a request for more returns two others."""
    return ["one"] if request.n == 1 else ["two", "three"]


class Several(ScriptedBackend):
    """Sends one piece per candidate."""

    async def _stream(self, generation: Generation) -> AsyncGenerator[Delta | Usage]:
        for index, text in enumerate(self.say(generation.request)):
            yield Delta(text, index, "stop")


@pytest.mark.parametrize("method", [STREAM, INLINE])
async def test_the_next_and_the_previous_candidate(
    connect: Callable[[Dependencies], DirectPeer], method: str
) -> None:
    backend = Several(several)
    peer = connect(dependencies(backend))
    await started(peer)
    assert (await suggestion(peer, method, "é = |)"))["insertText"] == "one"
    names = ["Next", "Next", "Next", "Previous", "Previous"]
    items = [await run(peer, f"aix.{name.lower()}Candidate", URI) for name in names]
    assert [item["insertText"] for item in items] == ["two", "three", "one", "three", "two"]
    assert [(item["data"]["index"], item["data"]["count"]) for item in items[:3]] == [(1, 3), (2, 3), (0, 3)]
    assert applied("é = )", items[0]) == "é = two)"
    assert len(backend.generations) == 2, "the model is asked for more once"
    await run(peer, items[0]["command"]["command"], *items[0]["command"]["arguments"])
    assert (await run(peer, "aix.statistics"))["kept_characters"] == 3


async def test_candidates_where_nothing_is_shown(connect: Callable[[Dependencies], DirectPeer]) -> None:
    peer = connect(dependencies(Several(several)))
    await started(peer)
    text, params = at("x = |")
    peer.open(URI, text)
    assert await run(peer, "aix.nextCandidate", URI) is None
    assert await run(peer, "aix.nextCandidate", "file:///w/closed.py") is None
    assert (await run(peer, "aix.previousCandidate", params))["insertText"] == "three"
    assert (await run(peer, "aix.nextCandidate", params))["insertText"] == "one"
    peer.change(URI, 2, {"text": "y = "})
    assert await run(peer, "aix.nextCandidate", URI) is None
    assert (await run(peer, "aix.nextCandidate", params))["insertText"] == "one"


async def test_no_candidate_at_all(peer: DirectPeer, backend: ScriptedBackend) -> None:
    backend.say = lambda request: []
    await started(peer)
    text, params = at("x = |")
    peer.open(URI, text)
    assert await run(peer, "aix.nextCandidate", params) is None
