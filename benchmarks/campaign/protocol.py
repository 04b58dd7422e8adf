"""Sends mutated messages over every transport to the real program: one answer each, flat memory, a prompt exit."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from websockets.asyncio.client import connect

from benchmarks.campaign.outcome import Order, Outcome
from benchmarks.campaign.programs import own_home, resident_mib, terminate, watch_end
from benchmarks.campaign.recorder import Planted, recorders
from tests.client.editor import environment
from tests.client.listening import Listening, listening
from tests.client.peer import Peer, StreamPeer
from tests.lsp.fuzz import Fuzz, attack
from tests.lsp.sockets import SocketPeer

TCP_CLIENTS = 4


async def run(order: Order) -> Outcome:
    """Send `order.count` messages over each of stdio, TCP and WebSocket."""
    outcome = Outcome("protocol", unit="messages")
    async with recorders(Planted(), outcome) as (_, server):
        for transport in (_stdio, _tcp, _websocket):
            before = outcome.tried
            with own_home() as home:
                await transport(order, outcome, home, server.url)
            name = transport.__name__.removeprefix("_")
            outcome.check_memory(order.seed, f"the server over {name}")
            outcome.notes.append(f"{outcome.tried - before:,} messages over {name}")
    return outcome


async def _attack(
    peer: Peer,
    order: Order,
    outcome: Outcome,
    pid: int,
    share: int = 1,
    number: int = 0,
    text_only: bool = False,
) -> None:
    """Let one client send its share; violations are recorded with this client's seed."""
    fuzz, seed = Fuzz(peer), order.seed + number

    def sampled() -> bool:
        outcome.memory.append(resident_mib(pid))
        return not order.expired

    try:
        sent = await attack(fuzz, order.count // share, seed, text_only=text_only, go_on=sampled)
        outcome.tried += sent
    except (AssertionError, TimeoutError, EOFError) as error:
        outcome.find(
            seed, f"{type(peer).__name__}, after {fuzz.probes} volleys: {type(error).__name__} {error}"[:600]
        )
    outcome.notes.append(f"{fuzz.checked:,} answers were due, and came once")


async def _stdio(order: Order, outcome: Outcome, home: Path, url: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "aix_lsp"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        limit=1 << 26,
        env=environment(home),
    )
    assert process.stdin and process.stdout
    peer = StreamPeer(process.stdout, process.stdin)
    await peer.initialize(initializationOptions={"url": url})
    await _attack(peer, order, outcome, process.pid)
    peer.request("shutdown")
    peer.notify("exit")
    await watch_end(process, outcome, order.seed, order.end_within_s)
    if process.returncode:
        outcome.find(order.seed, f"the server ended with status {process.returncode} after shutdown and exit")
    await peer.disconnect()


async def _tcp(order: Order, outcome: Outcome, home: Path, url: str) -> None:
    async with listening("tcp", home) as server:
        peers = [
            StreamPeer(*await asyncio.open_connection("127.0.0.1", server.port)) for _ in range(TCP_CLIENTS)
        ]
        for peer in peers:
            await peer.initialize(initializationOptions={"url": url, "token": server.token})
        await asyncio.gather(
            *(
                _attack(peer, order, outcome, server.process.pid, TCP_CLIENTS, number)
                for number, peer in enumerate(peers)
            )
        )
        await terminate(server.process, outcome, order.seed, order.end_within_s)
        for peer in peers:
            await peer.disconnect()


async def _websocket(order: Order, outcome: Outcome, home: Path, url: str) -> None:
    async with listening("ws", home) as server, _joined(server) as peer:
        await peer.initialize(initializationOptions={"url": url})
        await _attack(peer, order, outcome, server.process.pid, text_only=True)
        await terminate(server.process, outcome, order.seed, order.end_within_s)


@asynccontextmanager
async def _joined(server: Listening) -> AsyncIterator[SocketPeer]:
    headers = {"Authorization": f"Bearer {server.token}"}
    async with connect(server.url, compression=None, max_size=None, additional_headers=headers) as socket:
        peer = SocketPeer(socket)
        yield peer
        peer.task.cancel()
