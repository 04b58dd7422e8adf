"""Mutated messages over every transport: answered or refused, one answer each, never a hang or growth.

AIX_FUZZ_MESSAGES sets how many per transport, AIX_FUZZ_SEED the seed.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from aix_lsp.lsp import jsonrpc
from tests.client.peer import Peer
from tests.lsp.fuzz import VOLLEY, Fuzz, attack
from tests.lsp.mutation import Mutator
from tests.lsp.program import running
from tests.lsp.scripted import ScriptedBackend, dependencies, echo
from tests.lsp.sockets import serving_tcp, serving_websocket, until

COUNT = int(os.environ.get("AIX_FUZZ_MESSAGES", "10000"))
SEED = int(os.environ.get("AIX_FUZZ_SEED", "1"))


async def attacked(peer: Peer, count: int, seed: int) -> None:
    """Initialize a client and run the attack."""
    await peer.initialize()
    fuzz = Fuzz(peer)
    await attack(fuzz, count, seed)
    assert fuzz.checked > count / 8


def resident_bytes(pid: int) -> int:
    statm = Path(f"/proc/{pid}/statm").read_text().split()
    return int(statm[1]) * os.sysconf("SC_PAGE_SIZE")


async def test_the_program_over_pipes() -> None:
    async with running() as program:
        half = COUNT // 2
        await attacked(program.peer, half, SEED)
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
        await asyncio.gather(*(attacked(peer, COUNT // 4, SEED + n) for n, peer in enumerate(peers)))
        for peer in peers:
            await peer.disconnect()
        await until(lambda: not len(server.registry) and len(asyncio.all_tasks()) <= before)
        assert not backend.running and not backend.listeners


async def test_websocket_frames() -> None:
    async with serving_websocket() as server:
        async with server.join() as peer:
            await peer.initialize()
            fuzz = Fuzz(peer)
            await attack(fuzz, COUNT, SEED, text_only=True)
            assert fuzz.checked > COUNT / 8
            assert await peer.error("still/there") == jsonrpc.METHOD_NOT_FOUND
        await until(lambda: not len(server.registry))


@pytest.mark.parametrize("seed", range(3))
async def test_any_bytes_at_all(seed: int) -> None:
    """Not LSP at all: the server keeps the connection, or closes it cleanly."""
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
