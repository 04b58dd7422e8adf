"""Measures Ray Serve: the time it adds to the first text, and how replicas follow the load."""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

from aix_lsp.backends.launch import connect
from aix_lsp.serve.users import add
from aix_lsp.settings.table import Settings
from benchmarks.team.report import Row, count, errors, first_text_ms, prefix_share, table
from benchmarks.team.scenarios import Setting
from benchmarks.team.typists import Key, Typist, files, mean_pause_s, type_all
from tests.serve.server import ADMIN, Server, serving

_START_S = 300.0
_BLOCK = 20
"""Requests to one side before the other's turn."""


@asynccontextmanager
async def on_ray(setting: Setting, users: Path, *more: str) -> AsyncIterator[Server]:
    given = ("--users", str(users), *setting.engine, *more)
    async with serving(*given, command="cluster", within=_START_S) as server:
        yield server


async def typist_at(url: str, token: str, name: str, keys: Sequence[Key]) -> Typist:
    backend: Any = connect(Settings(url=url, api_key=token))
    async with asyncio.timeout(60):
        while backend.status.state != "ready":
            await asyncio.sleep(0.02)
    return Typist(name, keys, backend)


async def router(setting: Setting) -> list[Row]:
    """The time that Ray's own proxy and HAProxy add."""
    return await _added_by_ray(setting, "the router and Serve") + await _added_by_ray(
        setting, "Serve with --haproxy", "--haproxy"
    )


async def _added_by_ray(setting: Setting, what: str, *more: str) -> list[Row]:
    """One typist, one replica, directly and through Ray, in turns of twenty requests."""
    [keys] = files(1)
    users = Path(tempfile.mkdtemp(prefix="aix-team-")) / "users.json"
    token = add(users, "ann")
    turns = max(2, round(setting.seconds * setting.rounds))
    async with (
        serving("--users", str(users), *setting.engine) as direct,
        on_ray(setting, users, *more) as through,
    ):
        sides = [await typist_at(server.url, token, "ann", keys) for server in (direct, through)]
        for turn in range(turns + 1):
            for side in sides:
                for number in range(_BLOCK):
                    await side.ask(keys[(turn * _BLOCK + number) % len(keys)], 0.0)
        found = [side.asked[_BLOCK:] for side in sides]
        for side in sides:
            await side.backend.close()  # type: ignore[attr-defined]
    rows = []
    for percent, goal in ((50, 5.0), (95, 15.0)):
        alone, added = (first_text_ms(asked, percent) for asked in found)
        rows += [
            Row(f"first text p{percent}, one replica without Ray", alone, "ms"),
            Row(f"what {what} adds to first text, p{percent}", added - alone, "ms", goal),
        ]
    return rows


async def autoscale(setting: Setting) -> list[Row]:
    """From one replica to three and back: low load, high load, and low again."""
    keys = files(setting.typists)
    users = Path(tempfile.mkdtemp(prefix="aix-team-")) / "users.json"
    tokens = [add(users, f"typist{number:02}") for number in range(len(keys))]
    scale = ("--most-replicas", "3", "--up-after-s", "3", "--down-after-s", "8")
    line: list[tuple[float, int, float]] = []
    async with on_ray(setting, users, *scale) as server:
        typists = [
            await typist_at(server.url, token, f"typist{number:02}", typed)
            for number, (token, typed) in enumerate(zip(tokens, keys, strict=True))
        ]
        began = time.perf_counter()
        watching = asyncio.create_task(_watch(server, line, began))
        few = max(1, len(typists) // 16)
        slow = 1.0 / mean_pause_s(typists[:few])
        await type_all(typists[:few], 8.0, slow)
        asked = await type_all(typists, 6 * setting.seconds, None)
        high_s = time.perf_counter() - began
        while time.perf_counter() - began < high_s + 60 and not (line and line[-1][1] == 1):
            asked += await type_all(typists[:few], 4.0, slow)
        watching.cancel()
        for typist in typists:
            await typist.backend.close()  # type: ignore[attr-defined]
    for at, replicas, waiting in _thinned(line):
        setting.say(
            f"  {at:5.0f} s  {'■' * replicas:4} {replicas} replicas, {waiting:.0f} requests in flight"
        )
    for text in [*table(asked, lambda one: one.user_class), *errors(asked)]:
        setting.say(text)
    counts = [replicas for _, replicas, _ in line]
    changes = sum(before != after for before, after in pairwise(counts))
    return [
        Row("the most replicas", max(counts), "", 3, at_most=False),
        Row("replicas at the end", counts[-1], "", 1),
        Row("changes of their number (no thrash)", changes, "", 4),
        Row("requests without an answer, errors", count(asked, "lost", "error"), "", 0),
        Row("requests that meet their prefix, while replicas come and go", prefix_share(asked)),
        Row("requests in flight of a replica, mean", statistics.mean(w / max(1, r) for _, r, w in line)),
    ]


async def _watch(server: Server, into: list[tuple[float, int, float]], began: float) -> None:
    async with server.session(ADMIN) as session:
        while True:
            async with session.get("/admin/status") as answer:
                found = await answer.json()
            flight = sum(value for _, value in found["samples"].get("aix_user_in_flight", []))
            into.append((time.perf_counter() - began, found["replicas"], flight))
            await asyncio.sleep(1.0)


def _thinned(line: Sequence[tuple[float, int, float]]) -> list[tuple[float, int, float]]:
    """Every fifth reading, and each with a changed number."""
    kept = []
    for index, look in enumerate(line):
        if index % 5 == 0 or look[1] != line[index - 1][1]:
            kept.append(look)
    return kept


ON_RAY = {"router": router, "autoscale": autoscale}
