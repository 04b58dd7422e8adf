"""Mutated messages over every transport: answered or refused, one answer each, never a hang or growth.

AIX_FUZZ_MESSAGES sets how many for each transport, AIX_FUZZ_SEED which.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from aix_lsp.lsp import jsonrpc
from aix_lsp.lsp.jsonrpc import Invalid, Request
from tests.lsp.mutation import Mutator
from tests.lsp.peer import Peer, StreamPeer
from tests.lsp.program import running
from tests.lsp.scripted import ScriptedBackend, dependencies, echo
from tests.lsp.sockets import serving_tcp, serving_websocket, until

COUNT = int(os.environ.get("AIX_FUZZ_MESSAGES", "10000"))
SEED = int(os.environ.get("AIX_FUZZ_SEED", "1"))
VOLLEY = 50
"""Messages sent at once, before the answers are looked at."""


def expected(body: bytes) -> list[Any]:
    """The ids that a body must be answered to."""
    found = jsonrpc.read(body)
    return [message.id for message in found if isinstance(message, Request | Invalid)]


class Fuzz:
    """One client that keeps sending; looks at the answers after each volley."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.probes = 0
        self.checked = 0
        self.unsure: set[str] = set()
        """Ids that stood in volleys with broken frames: their answers may come at any time, or never."""

    async def volley(self, frames: list[tuple[bytes, bool]]) -> None:
        before = len(self.peer.messages)
        wanted: Counter[str] = Counter()
        whole = all(right for _, right in frames)
        for frame, _ in frames:
            self._send(frame)
            ids = set(map(repr, expected(frame[frame.find(b"{") :]))) - {"None"}
            if whole:
                wanted.update(map(repr, expected(frame.split(b"\r\n\r\n", 1)[1])))
            else:
                self.unsure |= ids
        await self._probe(resynchronise=not whole)
        if whole:
            await self._check(before, Counter({id: n for id, n in wanted.items() if id not in self.unsure}))

    def _send(self, frame: bytes) -> None:
        if isinstance(self.peer, StreamPeer):
            self.peer.send_bytes(frame)
        else:
            self.peer.send_body(frame.split(b"\r\n\r\n", 1)[-1])

    async def _probe(self, resynchronise: bool) -> None:
        """A request that is right must be answered, whatever came before it."""
        self.probes += 1
        id = f"probe-{self.probes}"
        if resynchronise:
            # A length that promised too much has swallowed what followed; this feeds it enough.
            self._send(b" " * 200_000 + b"\r\n\r\n")
        self.peer.request("still/there", {}, id=id)
        answer = await self.peer.answer(id)
        assert answer["error"]["code"] == jsonrpc.METHOD_NOT_FOUND

    async def _check(self, before: int, wanted: Counter[str]) -> None:
        """Every id got as many answers as it was used for; none got more."""

        def answered() -> Counter[str]:
            answers = [repr(m["id"]) for m in self.peer.messages[before:] if "method" not in m]
            return Counter(id for id in answers if id not in self.unsure and "probe-" not in id)

        await self.peer.wait(lambda: answered() >= wanted or None)
        assert answered() == wanted
        self.checked += wanted.total()


async def attack(peer: Peer, count: int, seed: int) -> Fuzz:
    await peer.initialize()
    fuzz, mutator = Fuzz(peer), Mutator(seed)
    for start in range(0, count, VOLLEY):
        frames = [mutator.message() for _ in range(VOLLEY)]
        if start // VOLLEY % 3:
            frames = [(frame, right) for frame, right in frames if right]
        await fuzz.volley(frames)
    assert fuzz.checked > count / 8
    return fuzz


def resident_bytes(pid: int) -> int:
    statm = Path(f"/proc/{pid}/statm").read_text().split()
    return int(statm[1]) * os.sysconf("SC_PAGE_SIZE")


async def test_the_program_over_pipes() -> None:
    async with running() as program:
        half = COUNT // 2
        await attack(program.peer, half, SEED)
        watched = sys.platform == "linux"
        before = resident_bytes(program.process.pid) if watched else 0
        fuzz, mutator = Fuzz(program.peer), Mutator(SEED + 1)
        for _ in range(0, COUNT - half, VOLLEY):
            await fuzz.volley([mutator.message() for _ in range(VOLLEY)])
        if watched:
            assert resident_bytes(program.process.pid) - before < 30 << 20
        await program.peer.ask("shutdown")
        program.peer.notify("exit")
        assert await program.status() == 0


async def test_tcp_clients_at_once() -> None:
    backend = ScriptedBackend(echo)
    async with serving_tcp(dependencies(backend)) as server:
        before = len(asyncio.all_tasks())
        peers = [await server.join() for _ in range(4)]
        await asyncio.gather(*(attack(peer, COUNT // 4, SEED + n) for n, peer in enumerate(peers)))
        for peer in peers:
            await peer.disconnect()
        await until(lambda: not len(server.registry) and len(asyncio.all_tasks()) <= before)
        assert not backend.running and not backend.listeners


async def test_websocket_frames() -> None:
    async with serving_websocket() as server:
        async with server.join() as peer:
            await peer.initialize()
            fuzz, mutator = Fuzz(peer), Mutator(SEED)
            sent = 0
            while sent < COUNT:
                frames = [frame for frame, right in (mutator.message() for _ in range(VOLLEY)) if right]
                texts = [(frame, True) for frame in frames if is_text(frame)]
                await fuzz.volley(texts)
                sent += len(texts)
            assert await peer.error("still/there") == jsonrpc.METHOD_NOT_FOUND
        await until(lambda: not len(server.registry))


def is_text(frame: bytes) -> bool:
    try:
        frame.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


@pytest.mark.parametrize("seed", range(3))
async def test_any_bytes_at_all(seed: int) -> None:
    """No LSP whatever: the server stays, or closes the connection in order."""
    import random

    draw = random.Random(seed)
    async with serving_tcp(dependencies(ScriptedBackend(echo))) as server:
        reader, writer = await asyncio.open_connection(server.address.hostname, server.address.port)
        for _ in range(60):
            writer.write(draw.randbytes(draw.randrange(1, 60_000)))
            try:
                await writer.drain()
            except ConnectionError:
                break
        writer.close()
        await until(lambda: not len(server.registry))
        peer = await server.join()
        await peer.initialize()
        assert await peer.error("still/there") == jsonrpc.METHOD_NOT_FOUND
        await peer.disconnect()
        del reader
