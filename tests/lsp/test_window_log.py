"""The server's messages to the client's log."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator

import pytest

from aix_lsp.lsp import jsonrpc, stdio
from aix_lsp.lsp.stdio import ClientLog
from tests.client.peer import DirectPeer


@pytest.fixture
async def log(peer: DirectPeer) -> AsyncIterator[ClientLog]:
    log = ClientLog(peer.session.protocol)
    logging.getLogger("aix_lsp").addHandler(log)
    yield log
    logging.getLogger("aix_lsp").removeHandler(log)


def logged(peer: DirectPeer) -> list[tuple[int, str]]:
    return [(note["type"], note["message"]) for note in peer.notifications("window/logMessage")]


async def test_our_warnings_and_errors(peer: DirectPeer, log: ClientLog) -> None:
    await peer.initialize()
    logging.getLogger("aix_lsp.some.module").info("not this")
    logging.getLogger("other").error("nor this")
    logging.getLogger("aix_lsp.some.module").warning("careful %d", 1)
    logging.getLogger("aix_lsp.some.module").error("broken")
    await peer.wait(lambda: len(logged(peer)) >= 2)
    assert logged(peer) == [(2, "careful 1"), (1, "broken")]


async def test_nothing_before_initialize(peer: DirectPeer, log: ClientLog) -> None:
    logging.getLogger("aix_lsp").error("early")
    assert await peer.error("still/there") == jsonrpc.SERVER_NOT_INITIALIZED
    await peer.initialize()
    assert not logged(peer)


async def test_a_flood_is_cut(peer: DirectPeer, log: ClientLog) -> None:
    await peer.initialize()
    for number in range(10 * stdio.MOST_A_MINUTE):
        logging.getLogger("aix_lsp").error("again %d", number)
    await peer.error("still/there")
    assert len(logged(peer)) == stdio.MOST_A_MINUTE
