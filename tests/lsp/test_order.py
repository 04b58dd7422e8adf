"""Order of receipt, cancellation, superseding: which document a request sees, and that its generation ends with it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from aix_lsp.lsp import jsonrpc
from aix_lsp.lsp.session import Dependencies
from tests.client.peer import DirectPeer
from tests.lsp.scripted import ScriptedBackend, dependencies

URI = "file:///w/a.py"
METHODS = ["textDocument/completion", "textDocument/inlineCompletion", "aix/inlineCompletion"]


def at(line: int, character: int, uri: str = URI) -> dict[str, Any]:
    return {
        "textDocument": {"uri": uri},
        "position": {"line": line, "character": character},
        "context": {"triggerKind": 2},
    }


def typed(character: int, text: str) -> dict[str, Any]:
    place = {"line": 0, "character": character}
    return {"range": {"start": place, "end": place}, "text": text}


def first_text(result: Any) -> str:
    item = result["items"][0]
    return str(item.get("insertText") or item.get("textEditText") or item["textEdit"]["newText"])


@pytest.mark.parametrize("method", METHODS)
async def test_a_request_sees_the_document_as_it_was_received(
    peer: DirectPeer, backend: ScriptedBackend, method: str
) -> None:
    """One packet: open, request, change, request, change. Each answer is for the version at its request."""
    await peer.initialize()
    await peer.wait(lambda: peer.session.started.is_set())
    peer.open(URI, "alpha = ")
    one = peer.request(method, at(0, 8))
    peer.change(URI, 2, {"text": "beta = "})
    two = peer.request(method, at(0, 7))
    peer.change(URI, 3, {"text": "gamma = "})
    three = peer.request(method, at(0, 8))
    assert (await peer.answer(one))["error"]["code"] in (jsonrpc.CONTENT_MODIFIED, jsonrpc.SERVER_CANCELLED)
    assert (await peer.answer(two))["error"]["code"] in (jsonrpc.CONTENT_MODIFIED, jsonrpc.SERVER_CANCELLED)
    assert first_text((await peer.answer(three))["result"]).startswith("gamma")
    prompts = [g.request.prompt.prefix + g.request.prompt.middle for g in backend.generations]
    assert all(prompt in ("alpha = ", "beta = ", "gamma = ") for prompt in prompts)


@pytest.mark.parametrize("method", METHODS)
async def test_typing_along_keeps_the_earlier_answer(peer: DirectPeer, method: str) -> None:
    """[request, didChange, didChange] in one packet: the request answers for version 1."""
    await peer.initialize()
    await peer.wait(lambda: peer.session.started.is_set())
    peer.open(URI, "alpha = ")
    id = peer.request(method, at(0, 8))
    peer.change(URI, 2, typed(8, "a"))
    peer.change(URI, 3, typed(9, "l"))
    answer = await peer.answer(id)
    assert first_text(answer["result"]) == "alpha_done"


async def test_other_documents_do_not_disturb(peer: DirectPeer) -> None:
    await peer.initialize()
    ids = {}
    for n in range(20):
        peer.open(f"{URI}{n}", f"name{n} = ")
        ids[n] = peer.request("aix/inlineCompletion", at(0, len(f"name{n} = "), f"{URI}{n}"))
    for n, id in ids.items():
        assert first_text((await peer.answer(id))["result"]) == f"name{n}_done"


@pytest.mark.parametrize("method", METHODS)
async def test_cancelling_ends_the_generation(
    peer: DirectPeer, backend: ScriptedBackend, method: str
) -> None:
    backend.hold = True
    await peer.initialize()
    peer.open(URI, "alpha = ")
    id = peer.request(method, at(0, 8))
    await peer.wait(lambda: backend.running)
    peer.notify("$/cancelRequest", {"id": str(id)})
    peer.notify("$/cancelRequest", {"id": id + 1})
    peer.notify("$/cancelRequest", {})
    peer.notify("$/cancelRequest", {"id": None})
    await peer.error("still/there")
    assert not peer.answers(id) and backend.running
    peer.notify("$/cancelRequest", {"id": id})
    peer.notify("$/cancelRequest", {"id": id})
    assert (await peer.answer(id))["error"]["code"] == jsonrpc.REQUEST_CANCELLED
    await backend.generations[0].ended.wait()
    assert backend.generations[0].cancelled
    assert len(peer.answers(id)) == 1


async def test_cancelling_in_the_same_packet(peer: DirectPeer, backend: ScriptedBackend) -> None:
    await peer.initialize()
    await peer.wait(lambda: peer.session.started.is_set())
    peer.open(URI, "alpha = ")
    id = peer.request("aix/inlineCompletion", at(0, 8))
    peer.notify("$/cancelRequest", {"id": id})
    assert (await peer.answer(id))["error"]["code"] == jsonrpc.REQUEST_CANCELLED
    assert not backend.running
    assert first_text(await peer.ask("aix/inlineCompletion", at(0, 8))) == "alpha_done"


async def test_cancelling_an_answered_request_is_not_an_error(peer: DirectPeer) -> None:
    await peer.initialize()
    peer.open(URI, "alpha = ")
    id = peer.request("aix/inlineCompletion", at(0, 8))
    await peer.answer(id)
    peer.notify("$/cancelRequest", {"id": id})
    assert await peer.error("still/there") == jsonrpc.METHOD_NOT_FOUND
    assert len(peer.answers(id)) == 1


@pytest.mark.parametrize("method", METHODS)
async def test_a_newer_request_supersedes(peer: DirectPeer, backend: ScriptedBackend, method: str) -> None:
    backend.hold = True
    await peer.initialize()
    peer.open(URI, "alpha = ")
    old = peer.request(method, at(0, 8))
    await peer.wait(lambda: backend.running)
    new = peer.request(method, at(0, 8))
    assert (await peer.answer(old))["error"]["code"] == jsonrpc.SERVER_CANCELLED
    for generation in backend.running:
        generation.gate.set()
    assert first_text((await peer.answer(new))["result"]) == "alpha_done"


@pytest.mark.parametrize("method", METHODS)
async def test_divergence_cancels_at_once(peer: DirectPeer, backend: ScriptedBackend, method: str) -> None:
    backend.hold = True
    await peer.initialize()
    peer.open(URI, "alpha = ")
    id = peer.request(method, at(0, 8))
    await peer.wait(lambda: backend.running)
    await backend.generations[0].said.wait()
    peer.change(URI, 2, typed(8, "zzz"))
    assert (await peer.answer(id))["error"]["code"] == jsonrpc.CONTENT_MODIFIED
    await backend.generations[0].ended.wait()


@pytest.mark.parametrize("method", METHODS)
async def test_a_model_that_diverges_from_the_typing(
    peer: DirectPeer, backend: ScriptedBackend, method: str
) -> None:
    """Nothing had been generated when a different letter was typed; then everything comes in one piece."""
    await peer.initialize()
    await peer.wait(lambda: peer.session.started.is_set())
    peer.open(URI, "alpha = ")
    id = peer.request(method, at(0, 8))
    peer.change(URI, 2, typed(8, "z"))
    assert (await peer.answer(id))["error"]["code"] == jsonrpc.CONTENT_MODIFIED


async def test_closing_the_document_ends_its_requests(peer: DirectPeer, backend: ScriptedBackend) -> None:
    backend.hold = True
    await peer.initialize()
    peer.open(URI, "alpha = ")
    id = peer.request("aix/inlineCompletion", at(0, 8))
    await peer.wait(lambda: backend.running)
    peer.notify("textDocument/didClose", {"textDocument": {"uri": URI}})
    await peer.answer(id)
    await backend.generations[0].ended.wait()
    assert (await peer.ask("aix/inlineCompletion", at(0, 8)))["items"] == []


async def test_shutdown_ends_everything_and_still_answers(peer: DirectPeer, backend: ScriptedBackend) -> None:
    backend.hold = True
    await peer.initialize()
    ids = []
    for n in range(3):
        peer.open(f"{URI}{n}", "alpha = ")
        ids.append(peer.request("aix/inlineCompletion", at(0, 8, f"{URI}{n}")))
    await peer.wait(lambda: len(backend.running) == 3)
    await peer.ask("shutdown")
    for id in ids:
        assert (await peer.answer(id))["error"]["code"] == jsonrpc.REQUEST_CANCELLED
    assert not backend.running


async def test_requests_before_initialized_wait_for_the_settings(peer: DirectPeer) -> None:
    """Some clients never send `initialized`; then the first request starts the session."""
    await peer.ask("initialize", {"processId": None, "capabilities": {}})
    peer.open(URI, "alpha = ")
    assert first_text(await peer.ask("aix/inlineCompletion", at(0, 8))) == "alpha_done"


async def test_requests_at_the_start_are_answered_by_their_deadline(
    connect: Callable[[Dependencies], DirectPeer], backend: ScriptedBackend
) -> None:
    backend.hold = True
    peer = connect(dependencies(backend, settings={"deadlineMs": 50}))
    peer.silent = True  # so that the settings stay unknown
    await peer.initialize({"workspace": {"configuration": True}})
    peer.open(URI, "alpha = ")
    for method in METHODS:
        assert (await peer.ask(method, at(0, 8)))["items"] == []
    assert not peer.session.started.is_set() and not backend.generations


async def test_nothing_is_left_when_the_client_disconnects(
    peer: DirectPeer, backend: ScriptedBackend
) -> None:
    backend.hold = True
    await peer.initialize()
    peer.open(URI, "alpha = ")
    peer.request("aix/inlineCompletion", at(0, 8))
    await peer.wait(lambda: backend.running)
    peer.session.disconnected()
    assert await peer.session.finished == 1
    await peer.session.close()
    assert not backend.running
    assert backend.listeners == 0
    assert not peer.session.protocol._running


async def test_bodies_that_come_while_shutting_down(peer: DirectPeer) -> None:
    await peer.initialize()
    peer.open(URI, "x")
    id = peer.request("shutdown")
    peer.change(URI, 2, {"text": "y"})
    late = peer.request("aix/inlineCompletion", at(0, 0))
    peer.notify("exit")
    assert (await peer.answer(id))["result"] is None
    assert (await peer.answer(late))["error"]["code"] == jsonrpc.INVALID_REQUEST
    assert await peer.session.finished == 0
    assert json.dumps(peer.messages)
