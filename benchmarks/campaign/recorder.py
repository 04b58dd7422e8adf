"""A completions server that searches everything it receives for texts that must never be sent."""

from __future__ import annotations

import logging
import re
from collections import deque
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web

from benchmarks.campaign.outcome import Outcome
from tests.backends.servers import CompletionsServer, says, serving

_VISIBLE = re.compile(r"visible\d+word")
_REMEMBERED = 16
"""The number of workspaces whose planted texts are searched for, so that late leaks are found, too."""


class Planted:
    """The texts that must not be sent, by the case that planted them."""

    def __init__(self) -> None:
        self._cases: deque[tuple[int, dict[str, str]]] = deque(maxlen=_REMEMBERED)

    def add(self, seed: int, planted: Mapping[str, str]) -> None:
        """Search for these, too."""
        self._cases.append((seed, {part: what for text, what in planted.items() for part in _parts(text)}))

    def within(self, text: str) -> Iterator[tuple[int, str, str]]:
        """(seed, part, what it is part of) for every planted text that occurs in a text."""
        for seed, parts in self._cases:
            yield from ((seed, part, what) for part, what in parts.items() if part in text)


class Recorder(CompletionsServer):
    """Gives every completion the same answer, and finds planted texts in any request, including the corpus."""

    def __init__(self, planted: Planted, outcome: Outcome, models: Any) -> None:
        super().__init__(says("sum(", "prices) + taxes"))
        self.models = models
        self.requests = 0
        self.visible: set[str] = set()
        """The words of ordinary documents that were sent, as they should be."""
        self._planted = planted
        self._outcome = outcome

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if request.method == "POST":
            text = (await request.read()).decode("utf-8", "replace")
            self.requests += 1
            self.visible.update(_VISIBLE.findall(text))
            for seed, part, what in self._planted.within(text):
                at = text.index(part)
                told = f"{what} was sent to {request.path}: {text[max(0, at - 60) : at + 40]!r}"
                self._outcome.find(seed, told, what)
            if request.path.endswith("/corpus"):
                return web.json_response({"texts": 0})
        answer = await super().handle(request)
        self.bodies.clear()
        self.paths.clear()
        return answer


ENGINE_LIKE = {"data": [{"id": "embedded", "owned_by": "aix-lsp", "aix": {"context": 2048}}]}
"""How our own engine describes itself: such a server is sent the corpus, too."""
VLLM_LIKE = {"data": [{"id": "qwen2.5-coder", "owned_by": "vllm", "max_model_len": 4096}]}


@asynccontextmanager
async def recorders(planted: Planted, outcome: Outcome) -> AsyncIterator[tuple[Recorder, ...]]:
    """Servers of both kinds, which get different requests."""
    # Clients that disconnect in mid-stream are expected here.
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)
    async with (
        serving(Recorder(planted, outcome, ENGINE_LIKE)) as ours,
        serving(Recorder(planted, outcome, VLLM_LIKE)) as other,
    ):
        assert isinstance(ours, Recorder) and isinstance(other, Recorder)
        yield ours, other


def look_on_disk(folder: Path, planted: Planted, outcome: Outcome) -> None:
    """Find planted texts in the program's own files: its index, its state, its log."""
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            text = path.read_bytes().decode("utf-8", "replace")
            for seed, _, what in planted.within(text):
                outcome.find(seed, f"{what} is on disk, in {path.relative_to(folder)}", f"disk: {what}")


def _parts(text: str) -> Iterator[str]:
    """Every substring of half the length of each of a secret's lines; a word made up for it stays whole."""
    for line in text.split("\n"):
        size = len(line) if line.startswith("planted") else max(5, (len(line) + 1) // 2)
        yield from (line[at : at + size] for at in range(len(line) - size + 1))
