"""Many clients on one TCP port: separate sessions, right answers, nothing left behind."""

from __future__ import annotations

import asyncio
import gc
import random
from typing import Any

import pytest

from aix_lsp.lsp import jsonrpc
from aix_lsp.lsp.connections import ConnectionRegistry
from aix_lsp.lsp.session import Session
from tests.client.peer import StreamPeer
from tests.client.places import STREAM, at
from tests.lsp.scripted import ScriptedBackend, dependencies, echo
from tests.lsp.sockets import serving_tcp, until


async def test_two_clients_do_not_see_each_other() -> None:
    async with serving_tcp(dependencies(ScriptedBackend(echo))) as server:
        one, two = await server.join(), await server.join()
        for peer, name in ((one, "one"), (two, "two")):
            await peer.initialize()
            text, params = at(f"{name} = |")
            peer.open(params["textDocument"]["uri"], text)
            ids = peer.request(STREAM, params, id=1)
        for peer, name in ((one, "one"), (two, "two")):
            answer = await peer.answer(ids)
            assert answer["result"]["items"][0]["insertText"] == f"{name}_done"
        await one.ask("shutdown")
        one.notify("exit")
        await one.wait(lambda: one._closed or None)
        assert await two.error("still/there") == jsonrpc.METHOD_NOT_FOUND
        await two.disconnect()


async def test_one_backend_for_all() -> None:
    made: list[ScriptedBackend] = []

    def connect(settings: object) -> ScriptedBackend:
        made.append(ScriptedBackend(echo))
        return made[-1]

    async with serving_tcp(dependencies(connect=connect, linger_s=60)) as server:
        for _ in range(3):
            peer = await server.join()
            await peer.initialize()
            [session] = server.registry.sessions
            await until(session.started.is_set)  # a client that disconnects before that creates none
            await peer.disconnect()
            await until(lambda: not len(server.registry))
        assert len(made) == 1 and not made[0].closed
    assert made[0].closed


async def test_200_clients_come_type_and_leave_at_random() -> None:
    """No answer reaches the wrong client, and no session, task or document is left."""
    backend = ScriptedBackend(echo)
    draw, others = random.Random(4), _sessions()  # other tests' may live on
    async with serving_tcp(dependencies(backend, linger_s=60)) as server:
        before = len(asyncio.all_tasks())
        at_once = asyncio.Semaphore(40)

        async def visit(number: int) -> int:
            async with at_once:
                peer = await server.join()
                return await _type_and_leave(peer, number, random.Random(draw.random()))

        answered = await asyncio.gather(*(visit(number) for number in range(200)))
        assert sum(answered) >= 200
        await until(lambda: not len(server.registry) and len(asyncio.all_tasks()) <= before)
        assert not backend.running
        assert backend.listeners == 0
        gc.collect()
        assert all(any(session is each for each in others) for session in _sessions())


def _sessions() -> list[Session]:
    return [thing for thing in gc.get_objects() if isinstance(thing, Session)]


async def _type_and_leave(peer: StreamPeer, number: int, draw: random.Random) -> int:
    """Type some characters, with a request after each, and disconnect in one of the ways that clients do."""
    await peer.initialize()
    uri, text, answered = "file:///w/same-name.py", f"client{number}_", 0
    peer.open(uri, text)
    for version in range(2, 2 + draw.randrange(1, 6)):
        place = {"line": 0, "character": len(text)}
        text += draw.choice("xyz")  # never the suggestion, which would rightly be reused
        change = {"range": {"start": place, "end": place}, "text": text[-1]}
        peer.change(uri, version, change)
        params = at(text + "|", uri=uri)[1]
        id = peer.request(STREAM, params | {"partialResultToken": f"{number}-{version}"})
        if draw.random() < 0.2:
            peer.notify("$/cancelRequest", {"id": id})
        if draw.random() < 0.2:
            continue  # type on without waiting
        answer = await peer.answer(id)
        if "result" in answer:
            answered += 1
            assert answer["result"]["items"][0]["insertText"] == f"{text}_done"
            assert len(peer.answers(id)) == 1
    mine = {f"{number}-{version}" for version in range(2, 8)}
    assert {params["token"] for params in peer.notifications("$/progress")} <= mine
    if draw.random() < 0.5:
        await peer.ask("shutdown")
        peer.notify("exit")
        await peer.wait(lambda: peer._closed or None)
    elif draw.random() < 0.5:
        peer.writer.transport.abort()
    await peer.disconnect()
    return answered


async def test_a_client_that_disconnects_in_mid_message() -> None:
    async with serving_tcp(dependencies(ScriptedBackend(echo))) as server:
        peer = await server.join()
        await peer.initialize()
        peer.send_bytes(b'Content-Length: 1000\r\n\r\n{"jsonrpc"')
        await peer.disconnect()
        await until(lambda: not len(server.registry))
        another = await server.join()
        await another.initialize()
        assert await another.error("still/there") == jsonrpc.METHOD_NOT_FOUND
        await another.disconnect()


@pytest.mark.parametrize(
    ("options", "welcome"),
    [
        ({"token": "secret"}, True),
        ({"aix": {"token": "secret"}}, True),
        ({"token": "wrong"}, False),
        ({"token": 5}, False),
        ({}, False),
        (None, False),
    ],
)
async def test_the_token(options: Any, welcome: bool) -> None:
    async with serving_tcp(dependencies(ScriptedBackend(echo), token="secret")) as server:
        peer = await server.join()
        params = {"processId": None, "capabilities": {}, "initializationOptions": options}
        answer = await peer.answer(peer.request("initialize", params))
        assert ("result" in answer) is welcome
        if not welcome:
            assert answer["error"]["code"] == jsonrpc.INVALID_REQUEST
            await peer.wait(lambda: peer._closed or None)
        await peer.disconnect()


async def test_a_client_that_does_not_initialize_is_disconnected() -> None:
    async with serving_tcp(
        dependencies(ScriptedBackend(echo)), ConnectionRegistry(initialize_within_s=0.01)
    ) as server:
        peer = await server.join()
        await peer.wait(lambda: peer._closed or None)
        assert peer.messages == []
        await peer.disconnect()


async def test_the_first_message_must_be_small() -> None:
    async with serving_tcp(dependencies(ScriptedBackend(echo), token="secret")) as server:
        peer = await server.join()
        peer.send_body(b" " * (2 << 20))
        [refusal] = await peer.wait(lambda: peer.messages)
        assert refusal["error"]["code"] == jsonrpc.INVALID_REQUEST
        await peer.disconnect()


async def test_a_message_over_the_limit() -> None:
    async with serving_tcp(dependencies(ScriptedBackend(echo), max_message_bytes=10_000)) as server:
        peer = await server.join()
        await peer.initialize()
        peer.open("file:///w/big.py", "x" * 20_000)
        peer.open("file:///w/a.py", "x = ")
        assert await peer.error("still/there") == jsonrpc.METHOD_NOT_FOUND
        assert [m for m in peer.messages if m.get("id", 1) is None]
        [session] = server.registry.sessions
        assert [document.uri for document in session.documents.store] == ["file:///w/a.py"]
        await peer.disconnect()


HIDDEN = (
    b"Content-Length: %d\r\n\r\n"
    b'{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"capabilities":{},'
    b'"initializationOptions":{"url":"http://evil.example","model":"evil/model","trustRemoteCode":true}}}'
)
MESSAGE = HIDDEN % (len(HIDDEN) - len(b"Content-Length: %d\r\n\r\n"))


@pytest.mark.parametrize(
    "sent",
    [
        b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nReferer: http://evil.example/?content-length:300\r\n\r\n"
        + MESSAGE,
        b"POST /?content-length:300 HTTP/1.1\r\n\r\n" + MESSAGE,
        b"GET / HTTP/1.1\r\nContent-Length: 300\r\n\r\n" + MESSAGE,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + MESSAGE,
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + MESSAGE,
        b"\r\n" + MESSAGE,
        b"X-Other: 1\r\n" + MESSAGE,
        b"x: content-length: 300\r\n\r\n" + MESSAGE,
        b" " + MESSAGE,
        b"Content-Length: 300\r\n" + MESSAGE,
        b"EHLO there\r\n" + MESSAGE,
        b"x" * 4096,
        b"{}" + MESSAGE,
    ],
)
@pytest.mark.parametrize("piece", [0, 7])
async def test_a_client_that_does_not_speak_lsp_is_disconnected(sent: bytes, piece: int) -> None:
    """A web page can make a browser send almost anything to a port; a message inside must not be read."""
    async with serving_tcp(dependencies(ScriptedBackend(echo))) as server:
        peer = await server.join()
        for start in range(0, len(sent), piece or len(sent)):
            peer.send_bytes(sent[start : start + (piece or len(sent))])
        await peer.wait(lambda: peer._closed or None)
        assert not [message for message in peer.messages if "result" in message]
        await until(lambda: not len(server.registry))
        await peer.disconnect()


async def test_silent_connections_lock_nobody_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest silent connection is closed; initialized clients stay."""
    monkeypatch.setattr("aix_lsp.lsp.connections.MAX_SILENT", 5)
    async with serving_tcp(dependencies(ScriptedBackend(echo))) as server:
        first = await server.join()
        await first.initialize()
        silent = [await server.join() for _ in range(40)]
        last = await server.join()
        await last.initialize()
        for peer in (first, last):
            assert await peer.error("still/there") == jsonrpc.METHOD_NOT_FOUND
        await until(lambda: sum(peer._closed for peer in silent) >= 35)
        for peer in (first, last, *silent):
            await peer.disconnect()


@pytest.mark.parametrize(("token", "url"), [("", ""), ("secret", "http://elsewhere.example")])
async def test_a_client_without_a_token_chooses_no_server(token: str, url: str) -> None:
    """Nor a model, nor whether its code is run, nor any other setting of user scope."""
    of = dependencies(connect=lambda settings: ScriptedBackend(echo), token=token)
    async with serving_tcp(of) as server:
        peer = await server.join()
        options = {"url": "http://elsewhere.example", "trustRemoteCode": True, "maxTokens": 7, "token": token}
        await peer.initialize(initializationOptions=options)
        [session] = server.registry.sessions
        await until(session.started.is_set)
        session.configuration.override("model", "evil/model")
        await session.reconfigure()
        configured = session.services.get("")
        assert configured is not None
        made = configured.settings
        assert (made.url, made.trust_remote_code, made.max_tokens) == (url, bool(token), 7)
        assert made.model == ("evil/model" if token else "embedded")
        answer = await peer.answer(peer.request("workspace/executeCommand", {"command": "aix.restartEngine"}))
        assert ("error" in answer) is not bool(token)
        await peer.disconnect()


async def test_too_many_clients(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aix_lsp.lsp.connections.MAX_CLIENTS", 2)
    async with serving_tcp(dependencies(ScriptedBackend(echo))) as server:
        welcome = [await server.join() for _ in range(2)]
        for peer in welcome:
            await peer.initialize()
        extra = await server.join()
        await extra.wait(lambda: extra._closed or None)
        assert [await peer.error("still/there") for peer in welcome] == [jsonrpc.METHOD_NOT_FOUND] * 2
        for peer in [*welcome, extra]:
            await peer.disconnect()


async def test_a_client_that_never_reads_costs_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aix_lsp.lsp.outbox.STUCK_BYTES", 200_000)
    async with serving_tcp(dependencies(ScriptedBackend(echo))) as server:
        reader, writer = await asyncio.open_connection(server.address.hostname, server.address.port)
        peer = StreamPeer(reader, writer)
        await peer.initialize()
        peer.task.cancel()
        reader._transport.pause_reading()  # type: ignore[attr-defined]
        async with asyncio.timeout(60):
            while len(server.registry):
                for _ in range(200):
                    peer.request("no/such/" + "x" * 500)
                await asyncio.sleep(0)
        assert peer.messages, "the session was in order before"
        writer.transport.abort()
