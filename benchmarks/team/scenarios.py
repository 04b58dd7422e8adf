"""The rows of the table: what replicas and typists do for each, and the resulting figures."""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, TypeAlias

from benchmarks.team.replicas import Reach, Team, team
from benchmarks.team.report import (
    Row,
    count,
    errors,
    first_text_ms,
    prefix_share,
    rate,
    regained_s,
    reused,
    table,
)
from benchmarks.team.typists import (
    Key,
    Rate,
    RequestRecord,
    Typist,
    files,
    in_bursts,
    mean_pause_s,
    steadily,
    type_all,
)

_LOAD = 0.7
"""Relative to the maximum load of two replicas, for rows that need less than that."""
_TOKENS_A_CHARACTER = 0.33
_BYTES_A_TOKEN = 6144
"""Bytes of KV per token of the embedded model on a CPU."""


@dataclass(frozen=True)
class Setting:
    """What all rows have in common."""

    typists: int = 32
    seconds: float = 10.0
    rounds: int = 2
    engine: tuple[str, ...] = ()
    """Further arguments of each replica."""
    say: Callable[[str], None] = print


async def at_work(
    crew: Team, keys: Sequence[Sequence[Key]], urls: Sequence[str], reach: Reach = "affinity"
) -> list[Typist]:
    """One typist per file, each with a backend of their own that reaches `urls`."""
    names = [f"typist{number:02}" for number in range(len(keys))]
    for name in names:
        crew.token(name)
    await crew.known(names[-1])
    backends = await asyncio.gather(*(crew.backend(name, urls, reach) for name in names))
    return [Typist(name, typed, backend) for name, typed, backend in zip(names, keys, backends, strict=True)]


async def pauses_at(typists: Sequence[Typist], seconds: float, load: float) -> tuple[float, float]:
    """How long pauses must be, relative to people's, for such a load; and the servers' maximum load (per second)."""
    await type_all(typists, seconds / 2, None)
    most = rate(await type_all(typists, seconds, None), seconds)
    natural = len(typists) / mean_pause_s(typists)
    return natural / (load * most), most


async def scaling(setting: Setting) -> list[Row]:
    """Suggestions per second of two replicas and of one, at their maximum, in turns."""
    keys = files(setting.typists)
    async with team(2, setting.engine) as crew:
        urls = [replica.url for replica in crew.replicas]
        ratios, rates = [], []
        for number in range(setting.rounds + 1):
            measured = []
            for reached in (urls[:1], urls):
                typists = await at_work(crew, keys, reached)
                await type_all(typists, setting.seconds / 4, None)
                measured.append(rate(await type_all(typists, setting.seconds, None), setting.seconds))
                await crew.leave()
            setting.say(f"  one replica {measured[0]:.1f}, two {measured[1]:.1f} suggestions a second")
            if number:  # the first turn is a warm-up
                ratios.append(measured[1] / measured[0])
                rates.append(measured[1])
    return [
        Row("suggestions a second, 2 replicas", statistics.median(rates), "a second"),
        Row("suggestions a second, 2 replicas against 1", statistics.median(ratios), "×", 1.8, at_most=False),
    ]


async def prefix(setting: Setting) -> list[Row]:
    """Affinity and round robin at 70 % load, when one replica's pool cannot hold all documents."""
    keys = files(setting.typists)
    pool_mb = _pool_mb(keys)
    setting.say(f"  {setting.typists} documents, {pool_mb} MB of KV a replica: 3/4 of what all need")
    found: dict[str, list[list[RequestRecord]]] = {"affinity": [], "round robin": []}
    async with team(2, (*setting.engine, "--kv-memory-mb", str(pool_mb))) as crew:
        urls = [replica.url for replica in crew.replicas]
        pauses = 0.0
        for _ in range(setting.rounds):
            for reach, into in found.items():
                typists = await at_work(crew, keys, urls, reach)  # type: ignore[arg-type]
                if not pauses:
                    pauses, most = await pauses_at(typists, setting.seconds, _LOAD)
                    setting.say(f"  {most:.1f} suggestions a second at most; pauses {pauses:.2f} × people's")
                await type_all(typists, setting.seconds / 2, pauses)
                into.append(await type_all(typists, setting.seconds, pauses))
                await crew.leave()
    rows = []
    for reach, runs in found.items():
        together = [one for run in runs for one in run]
        setting.say(f"  {reach}:")
        for line in table(together, lambda one: one.user_class):
            setting.say(line)
        goal = 0.95 if reach == "affinity" else None
        rows += [
            Row(f"requests that meet their prefix, {reach}", prefix_share(together), "", goal, at_most=False),
            Row(f"  prompt tokens reused, {reach}", reused(together)),
        ]
    p95 = {reach: statistics.median(first_text_ms(run, 95) for run in runs) for reach, runs in found.items()}
    return [
        *rows,
        Row("first text p95, affinity", p95["affinity"], "ms"),
        Row(
            "first text p95 at 70 % load, affinity against round robin",
            p95["affinity"] / p95["round robin"],
            "×",
            0.6,
        ),
    ]


def _pool_mb(keys: Sequence[Sequence[Key]]) -> int:
    """Size of a pool that holds three quarters of all documents, so that two hold them all with room to spare."""
    characters = sum(max(len(key.prompt.prefix) + len(key.prompt.suffix) for key in typed) for typed in keys)
    return max(8, int(0.75 * characters * _TOKENS_A_CHARACTER * _BYTES_A_TOKEN / 1e6))


async def kill(setting: Setting) -> list[Row]:
    """A replica's process with the model is killed while everybody types."""
    return await _disturbed(setting, "killed", lambda crew: crew.replicas[0].kill_worker())


async def restart(setting: Setting) -> list[Row]:
    """A rolling restart of both replicas under load; then one of them is drained and comes back."""

    async def roll(crew: Team) -> None:
        for replica in crew.replicas:
            await replica.hand_over()

    async def drain(crew: Team) -> None:
        replica = crew.replicas[0]
        await replica.drain()
        await replica.stop()
        await replica.start()

    rolled = await _disturbed(setting, "rolling restart", roll)
    return rolled + await _disturbed(setting, "drained and added again", drain)


async def _disturbed(setting: Setting, what: str, happen: Callable[[Team], Awaitable[None]]) -> list[Row]:
    """Half of what two replicas can take, in bursts of eight seconds; the event happens after two of these."""
    keys = files(setting.typists)
    event_s, seconds = (16.0, 48.0) if setting.seconds >= 8 else (8.0, 24.0)
    async with team(2, setting.engine) as crew:
        typists = await at_work(crew, keys, [replica.url for replica in crew.replicas])
        pauses, _ = await pauses_at(typists, min(4.0, setting.seconds), 0.4)
        working = asyncio.create_task(type_all(typists, seconds, pauses, _bursts(setting)))
        await asyncio.sleep(event_s)
        loop = asyncio.get_running_loop()
        began = loop.time()
        await happen(crew)
        for replica in crew.replicas:
            assert replica.server is not None
            await replica.server.worker()
        served_again_s = loop.time() - began
        while not working.done() and loop.time() - began + event_s < seconds:
            await asyncio.sleep(0.1)
        asked = await working
    for line in table(asked, lambda one: one.user_class):
        setting.say(line)
    for message in errors(asked):
        setting.say(f"  shown: {message}")
    return [
        Row(f"{what}: requests without an answer", count(asked, "lost"), "", 0),
        Row(f"{what}: errors shown", count(asked, "error"), "", 0),
        Row(
            f"{what}: answers as many as before",
            regained_s(asked, event_s, seconds, window_s=8.0) - 8.0,
            "s later",
            15,
        ),
        Row(f"{what}: every replica serves again", served_again_s, "s later"),
    ]


def _bursts(setting: Setting) -> Rate:
    return in_bursts if setting.seconds >= 8 else steadily


async def abuse(setting: Setting) -> list[Row]:
    """One user requests twenty times the quota of long suggestions, each for another place."""
    keys = files(setting.typists + 1)
    async with team(1, setting.engine) as crew:
        crew.define("limited", userInFlight=1, userTokensAMinute=6000)
        crew.token("greedy", "limited")
        urls = [crew.replicas[0].url]
        typists = await at_work(crew, keys[:-1], urls)
        pauses, _ = await pauses_at(typists, setting.seconds, 0.5)
        greedy = Typist("greedy", _cold(keys), await crew.backend("greedy", urls), "limited", 64)
        # A prompt of some 1,000 tokens every half second is 120,000 a minute.
        each = 0.5 / mean_pause_s([greedy])
        runs: dict[bool, list[list[RequestRecord]]] = {False: [], True: []}
        for number in range(2 * setting.rounds):
            alone, abused = number % 2 == 0, number % 2 == 1
            others = asyncio.create_task(type_all(typists, setting.seconds, pauses))
            if abused:
                await type_all([greedy], setting.seconds, each)
            runs[not alone].append(await others)
        refused = count(greedy.asked, "error")
        for line in table([*chain(*runs[True]), *greedy.asked], lambda one: one.user_class):
            setting.say(line)
    without, beside = (
        statistics.median(first_text_ms(run, 95) for run in runs[abused]) for abused in (False, True)
    )
    return [
        Row("the abusive user's requests refused", refused / max(1, len(greedy.asked))),
        Row("the others' first text p95 without him", without, "ms"),
        Row("the others' first text p95, with him against without", beside / without, "×", 1.2),
    ]


def _cold(keys: Sequence[Sequence[Key]]) -> list[Key]:
    """The first keys of all files in turn: none of their prompts is cached for this user."""
    return [typed[min(number, len(typed) - 1)] for number in range(8) for typed in keys]


Scenario: TypeAlias = Callable[[Setting], Coroutine[Any, Any, list[Row]]]
SCENARIOS: dict[str, Scenario] = {
    "scaling": scaling,
    "prefix": prefix,
    "kill": kill,
    "restart": restart,
    "abuse": abuse,
}
