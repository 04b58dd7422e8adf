"""A client that sends mutated messages and checks that each gets exactly the answers that it must get."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from aix_lsp.lsp import jsonrpc
from aix_lsp.lsp.jsonrpc import Invalid, Request
from tests.client.peer import Peer, StreamPeer
from tests.lsp.mutation import Mutator

VOLLEY = 50
"""Messages sent at once, before the answers are checked."""


def expected(body: bytes) -> list[Any]:
    """The ids of the answers that a body must get."""
    found = jsonrpc.read(body)
    return [message.id for message in found if isinstance(message, Request | Invalid)]


class Fuzz:
    """One client that keeps sending, and checks the answers after each volley."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.probes = 0
        self.checked = 0
        self.unsure: set[str] = set()
        """Ids from volleys with broken frames: their answers may come at any time, or never."""

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
        """A valid request must be answered, whatever came before it."""
        self.probes += 1
        id = f"probe-{self.probes}"
        if resynchronise:
            # A Content-Length that is too large has swallowed what followed; this fills it up.
            self._send(b" " * 200_000 + b"\r\n\r\n")
        self.peer.request("still/there", {}, id=id)
        answer = await self.peer.answer(id)
        assert answer["error"]["code"] == jsonrpc.METHOD_NOT_FOUND

    async def _check(self, before: int, wanted: Counter[str]) -> None:
        """Assert that every id got exactly as many answers as it was used."""

        def answered() -> Counter[str]:
            answers = [repr(m["id"]) for m in self.peer.messages[before:] if "method" not in m]
            return Counter(id for id in answers if id not in self.unsure and "probe-" not in id)

        await self.peer.wait(lambda: answered() >= wanted or None)
        assert answered() == wanted
        self.checked += wanted.total()


async def attack(
    fuzz: Fuzz, count: int, seed: int, *, text_only: bool = False, go_on: Callable[[], bool] = lambda: True
) -> int:
    """Send `count` messages while `go_on()` is true; returns how many. Two volleys in three are framed correctly.

    `text_only` leaves out broken frames and invalid UTF-8, which a WebSocket cannot carry.
    """
    mutator, sent = Mutator(seed), 0
    for number in range(-(-count // VOLLEY)):
        frames = [mutator.message() for _ in range(VOLLEY)]
        if number % 3 or text_only:
            frames = [
                (frame, right) for frame, right in frames if right and (_is_text(frame) or not text_only)
            ]
        await fuzz.volley(frames)
        sent += VOLLEY
        if not go_on():
            break
    return sent


def _is_text(frame: bytes) -> bool:
    try:
        frame.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
