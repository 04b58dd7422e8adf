"""A team's server in two minutes: two replicas, eight typists, the page, and one replica killed. `make demo-team`."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Sequence

from benchmarks.team.replicas import Team, team
from benchmarks.team.report import count, errors, first_text_ms, table
from benchmarks.team.scenarios import at_work
from benchmarks.team.typists import RequestRecord, Typist, files, steadily
from tests.serve.server import ADMIN

_TYPISTS = 8
_EVERY_S = 4.0


def say(text: str) -> None:
    print(text, flush=True)


async def demo(seconds: float, pauses: float) -> int:
    """Run the demo; returns the exit status: 1 if a request was lost or an error shown."""
    say("Starting two servers, each with the model that ships and one thread …")
    async with team(2, ()) as crew:
        for number, replica in enumerate(crew.replicas, 1):
            say(f"  server {number}: {replica.url}   live figures: {replica.url}/#{ADMIN}")
        typists = await at_work(crew, files(_TYPISTS), [replica.url for replica in crew.replicas])
        say(f"\n{_TYPISTS} people type; each document stays with one server, where its prompt is cached.")
        began = time.perf_counter()
        work = asyncio.gather(*(typist.type(seconds, pauses, steadily, began) for typist in typists))
        seen = await _follow(typists, began, seconds / 3, began)
        say("\nThe model's process of server 1 is killed. Its documents go to server 2 …")
        await crew.replicas[0].kill_worker()
        killed = time.perf_counter()
        back = asyncio.create_task(_back(crew, killed))
        await _follow(typists, began, seconds, seen)
        await work
        back.cancel()
    asked = [one for typist in typists for one in typist.asked]
    say("")
    for line in table(asked, lambda one: one.user):
        say(line)
    bad = count(asked, "lost", "error")
    for message in errors(asked):
        say(f"  shown: {message}")
    say(f"\n{count(asked, 'complete')} suggestions, {bad} lost or shown as an error.")
    return 1 if bad else 0


async def _back(crew: Team, killed: float) -> None:
    server = crew.replicas[0].server
    assert server is not None
    await server.worker()
    say(f"  server 1 serves again, {time.perf_counter() - killed:.1f} s later")


async def _follow(typists: Sequence[Typist], began: float, until_s: float, seen: float) -> float:
    """Report the state every few seconds; returns the time of the last report."""
    while (now := time.perf_counter()) - began < until_s:
        await asyncio.sleep(min(_EVERY_S, max(0.1, until_s - (now - began))))
        asked = [one for typist in typists for one in typist.asked if one.at >= seen - began]
        say(_line(asked, time.perf_counter() - began))
        seen = time.perf_counter()
    return seen


def _line(asked: Sequence[RequestRecord], at_s: float) -> str:
    ended = [one for one in asked if one.end in ("complete", "overtaken")]
    if not ended:
        return f"  {at_s:4.0f} s  no answer yet"
    return (
        f"  {at_s:4.0f} s  {count(ended, 'complete'):3d} suggestions, first text "
        f"p50 {first_text_ms(ended, 50):4.0f} ms, p95 {first_text_ms(ended, 95):5.0f} ms, "
        f"{count(asked, 'error')} errors"
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.team.demo", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="of typing")
    parser.add_argument("--pauses", type=float, default=2.5, help="how many times as long as people's")
    options = parser.parse_args()
    try:
        return asyncio.run(demo(options.seconds, options.pauses))
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
