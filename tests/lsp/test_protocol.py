"""JSON-RPC and the lifecycle: which answer, with which code, and only once."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import pytest

from aix_lsp.lsp import jsonrpc
from tests.client.peer import DirectPeer
from tests.lsp.scripted import ScriptedBackend

URI = "file:///w/a.py"
AT = {"textDocument": {"uri": URI}, "position": {"line": 0, "character": 0}}
INLINE = AT | {"context": {"triggerKind": 2}}


async def test_the_life_of_a_session(peer: DirectPeer) -> None:
    result = await peer.initialize()
    assert result["serverInfo"]["name"] == "aix-lsp"
    assert await peer.ask("shutdown") is None
    peer.notify("exit")
    assert await peer.session.finished == 0


@pytest.mark.parametrize("method", ["textDocument/completion", "shutdown", "no/such", "aix/inlineCompletion"])
async def test_requests_before_initialize(peer: DirectPeer, method: str) -> None:
    assert await peer.error(method, {}) == jsonrpc.SERVER_NOT_INITIALIZED


async def test_notifications_before_initialize_are_dropped(peer: DirectPeer) -> None:
    peer.open(URI, "x")
    await peer.initialize()
    assert len(peer.session.documents.store) == 0


async def test_exit_before_initialize(peer: DirectPeer) -> None:
    peer.notify("exit")
    assert await peer.session.finished == 1


async def test_exit_without_shutdown(peer: DirectPeer) -> None:
    await peer.initialize()
    peer.notify("exit")
    assert await peer.session.finished == 1


@pytest.mark.parametrize("method", ["textDocument/completion", "shutdown", "initialize", "no/such"])
async def test_requests_after_shutdown(peer: DirectPeer, method: str) -> None:
    await peer.initialize()
    await peer.ask("shutdown")
    assert await peer.error(method, {}) == jsonrpc.INVALID_REQUEST


async def test_a_second_initialize(peer: DirectPeer) -> None:
    await peer.initialize()
    assert await peer.error("initialize", {"capabilities": {}}) == jsonrpc.INVALID_REQUEST


@pytest.mark.parametrize("method", ["no/such", "$/no/such", "textDocument/hover", "textDocument/didOpen/x"])
async def test_unknown_requests(peer: DirectPeer, method: str) -> None:
    await peer.initialize()
    assert await peer.error(method, {}) == jsonrpc.METHOD_NOT_FOUND


async def test_unknown_notifications_are_ignored(peer: DirectPeer) -> None:
    await peer.initialize()
    count = len(peer.messages)
    for method in ("no/such", "$/no/such", "$/progress"):
        peer.notify(method, {"token": 1, "value": 2})
    await peer.error("still/there")
    assert [m for m in peer.messages[count:] if "error" not in m and "method" not in m] == []


async def test_a_request_as_a_notification_and_the_other_way_round(
    peer: DirectPeer, backend: ScriptedBackend
) -> None:
    await peer.initialize()
    peer.open(URI, "x = ")
    peer.notify("aix/inlineCompletion", INLINE)
    peer.notify("shutdown")
    item = {"uri": URI + "2", "languageId": "python", "version": 1, "text": ""}
    assert await peer.error("textDocument/didOpen", {"textDocument": item}) == jsonrpc.METHOD_NOT_FOUND
    assert await peer.error("exit") == jsonrpc.METHOD_NOT_FOUND
    assert len(peer.session.documents.store) == 1
    assert not backend.generations and not peer.session.finished.done()


BAD_PARAMS: list[Any] = [
    None,
    [],
    {},
    {"textDocument": None, "position": {"line": 0, "character": 0}},
    {"textDocument": {"uri": None}, "position": {"line": 0, "character": 0}},
    {"textDocument": {"uri": 5}, "position": {"line": 0, "character": 0}},
    {"textDocument": {"uri": URI}},
    {"textDocument": {"uri": URI}, "position": {"line": "0", "character": 0}},
    {"textDocument": {"uri": URI}, "position": {"line": -1, "character": 0}},
    {"textDocument": {"uri": URI}, "position": {"line": 0.5, "character": 0}},
    {"textDocument": {"uri": URI}, "position": {"line": True, "character": 0}},
    {"textDocument": {"uri": URI}, "position": [0, 0]},
]


@pytest.mark.parametrize("params", BAD_PARAMS)
@pytest.mark.parametrize("method", ["textDocument/completion", "aix/inlineCompletion"])
async def test_bad_params(peer: DirectPeer, method: str, params: Any) -> None:
    await peer.initialize()
    assert await peer.error(method, params) == jsonrpc.INVALID_PARAMS


@pytest.mark.parametrize("item", [None, [], {}, {"label": 5}])
async def test_bad_items_to_resolve(peer: DirectPeer, item: Any) -> None:
    await peer.initialize()
    assert await peer.error("completionItem/resolve", item) == jsonrpc.INVALID_PARAMS


async def test_bad_params_of_a_notification_cost_only_it(peer: DirectPeer) -> None:
    await peer.initialize()
    peer.notify("textDocument/didOpen", {"textDocument": {"uri": URI}})
    peer.notify("textDocument/didChange", [])
    peer.open(URI, "x")
    assert await peer.ask("aix/inlineCompletion", INLINE)


@pytest.mark.parametrize("kind", [0, 3, 99, "Automatic", None])
async def test_unknown_enum_values(peer: DirectPeer, kind: Any) -> None:
    await peer.initialize()
    peer.open(URI, "x")
    assert "items" in await peer.ask("aix/inlineCompletion", AT | {"context": {"triggerKind": kind}})
    assert "items" in await peer.ask("textDocument/completion", AT | {"context": {"triggerKind": kind}})


@pytest.mark.parametrize(
    "capabilities",
    [
        {"textDocument": {"inlineCompletion": None, "completion": None}},
        {
            "textDocument": {
                "completion": {"completionItem": {"insertTextModeSupport": {"valueSet": [7, "x"]}}}
            }
        },
        {"general": {"positionEncodings": "utf-8"}, "window": 3, "workspace": [], "experimental": "x"},
        {"textDocument": {"codeAction": {"codeActionLiteralSupport": 12}, "foldingRange": []}},
        [],
        "all of them",
    ],
)
async def test_strange_capabilities(peer: DirectPeer, capabilities: Any) -> None:
    result = await peer.ask("initialize", {"processId": "x", "capabilities": capabilities, "clientInfo": 5})
    assert result["capabilities"]["positionEncoding"] == "utf-16"


async def test_initialize_without_params(peer: DirectPeer) -> None:
    assert await peer.error("initialize") == jsonrpc.INVALID_PARAMS
    await peer.initialize()


async def test_the_largest_numbers_are_positions(peer: DirectPeer) -> None:
    await peer.initialize()
    peer.open(URI, "x = ")
    for number in (2**31 - 1, 2**32 - 1, 2**53, 1e300):
        place = {"line": number, "character": number}
        assert "items" in await peer.ask("textDocument/completion", AT | {"position": place})


@pytest.mark.parametrize(
    ("body", "code", "id"),
    [
        (b"{", jsonrpc.PARSE_ERROR, None),
        (b"\xff", jsonrpc.PARSE_ERROR, None),
        (b"[]", jsonrpc.INVALID_REQUEST, None),
        (b"7", jsonrpc.INVALID_REQUEST, None),
        (b'{"jsonrpc": "1.0", "id": 3, "method": "shutdown"}', jsonrpc.INVALID_REQUEST, 3),
        (b'{"jsonrpc": "2.0", "id": 3, "method": 3}', jsonrpc.INVALID_REQUEST, 3),
        (b'[{"jsonrpc": "2.0", "id": 3, "method": "shutdown"}]', jsonrpc.INVALID_REQUEST, 3),
    ],
)
async def test_invalid_requests(peer: DirectPeer, body: bytes, code: int, id: Any) -> None:
    await peer.initialize()
    peer.send_body(body)
    [message] = await peer.wait(lambda: [m for m in peer.messages if "error" in m])
    assert (message["error"]["code"], message["id"]) == (code, id)
    assert peer.session.protocol.phase.name == "INITIALIZED"


async def test_ids_keep_their_type(peer: DirectPeer) -> None:
    await peer.initialize()
    for id in (5, "5", 0, "", -1, "ü" * 100):
        peer.request("no/such", {}, id=id)
        assert (await peer.answer(id))["id"] == id
    assert all(len(peer.answers(id)) == 1 for id in (5, "5", 0, ""))


async def test_an_id_in_use_is_refused_and_the_first_answered(
    peer: DirectPeer, backend: ScriptedBackend
) -> None:
    backend.hold = True
    await peer.initialize()
    peer.open(URI, "x = ")
    peer.request("aix/inlineCompletion", INLINE, id=1)
    peer.request("aix/inlineCompletion", INLINE, id=1)
    refused = await peer.answer(1)
    assert refused["error"]["code"] == jsonrpc.INVALID_REQUEST
    await peer.wait(lambda: backend.running)
    backend.running[0].gate.set()
    await peer.wait(lambda: len(peer.answers(1)) == 2)


async def test_answers_to_nothing_do_no_harm(peer: DirectPeer) -> None:
    await peer.initialize()
    for id in (1, "aix-1", "aix-999", None):
        peer.send({"jsonrpc": "2.0", "id": id, "result": {}})
        peer.send({"jsonrpc": "2.0", "id": id, "error": {"code": "x", "message": 3}})
    assert await peer.error("still/there") == jsonrpc.METHOD_NOT_FOUND


async def test_an_answer_with_the_id_of_the_clients_own_request(
    peer: DirectPeer, backend: ScriptedBackend
) -> None:
    backend.hold = True
    await peer.initialize()
    peer.open(URI, "x = ")
    peer.request("aix/inlineCompletion", INLINE, id=7)
    await peer.wait(lambda: backend.running)
    peer.send({"jsonrpc": "2.0", "id": 7, "result": {}})
    backend.running[0].gate.set()
    assert "result" in await peer.answer(7)
    assert len(peer.answers(7)) == 1


async def test_a_result_that_cannot_be_serialised(peer: DirectPeer) -> None:
    def returned(result: object, params: Any) -> object:
        return result

    await peer.initialize()
    protocol = peer.session.protocol
    for result in (object(), float("nan"), {1: {2, 3}}, b"bytes"):
        protocol.requests["test/result"] = partial(returned, result)
        assert await peer.error("test/result") == jsonrpc.INTERNAL_ERROR


async def test_a_handler_that_fails(peer: DirectPeer) -> None:
    await peer.initialize()

    def fails(params: Any) -> None:
        raise RuntimeError("boom")

    async def fails_later(params: Any) -> None:
        raise RuntimeError("boom")

    protocol = peer.session.protocol
    handlers = {"test/now": fails, "test/later": fails_later}
    protocol.requests.update(handlers)
    protocol.fm.features.update(handlers)
    for method in ("test/now", "test/later"):
        assert await peer.error(method) == jsonrpc.INTERNAL_ERROR
        peer.notify(method)
    assert await peer.error("still/there") == jsonrpc.METHOD_NOT_FOUND


async def test_too_many_requests_are_refused(
    peer: DirectPeer, backend: ScriptedBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aix_lsp.lsp.protocol.MAX_RUNNING", 3)
    backend.hold = True
    await peer.initialize()
    ids = []
    for n in range(5):
        peer.open(f"{URI}{n}", "x = ")
        place = {"textDocument": {"uri": f"{URI}{n}"}}
        ids.append(peer.request("aix/inlineCompletion", INLINE | place))
    for id in ids[3:]:
        assert (await peer.answer(id))["error"]["code"] == jsonrpc.REQUEST_FAILED
    await peer.wait(lambda: len(backend.running) == 3)
    for generation in backend.running:
        generation.gate.set()
    for id in ids[:3]:
        assert "result" in await peer.answer(id)


async def test_every_answer_is_ascii_json(peer: DirectPeer, backend: ScriptedBackend) -> None:
    backend.say = lambda request: ["'漢字 😀 \u2028'"]
    await peer.initialize()
    peer.open(URI, "x = ")
    answer = await peer.ask("aix/inlineCompletion", INLINE)
    assert "漢字 😀" in answer["items"][0]["insertText"]
    assert json.dumps(answer).isascii()
