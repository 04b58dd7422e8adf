"""Command line of the campaign: which parts, how long, which seed. docs/security.md has its figures."""

from __future__ import annotations

import argparse
import asyncio
import importlib
import math
import os
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.campaign.outcome import Order, Outcome
from benchmarks.machine import announce
from tests.models import SMALL


@dataclass(frozen=True)
class Part:
    """One part of the campaign, and what it tries."""

    count: int
    """How many of them a full run tries."""
    what: str
    endless: int = 1_000_000_000
    """The count if a time is given instead."""


PARTS = {
    "workspaces": Part(1_000, "workspaces with hostile files and planted texts, opened in the server"),
    "protocol": Part(10_000, "mutated messages over each transport"),
    "http": Part(10_000, "mutated requests to the engine's HTTP interface"),
    "cancels": Part(20_000, "requests to the engine, half of them dropped in mid-stream"),
    "kills": Part(100, "deaths of the engine in mid-stream"),
    "clients": Part(200, "clients of one server, typing for five minutes"),
    "models": Part(100, "damaged models"),
}


def order_for(name: str, options: argparse.Namespace) -> Order:
    """A part's order, starting now."""
    if options.minutes and not options.count:
        return Order(options.seed, PARTS[name].endless, time.monotonic() + 60 * options.minutes)
    until = time.monotonic() + 60 * options.minutes if options.minutes else math.inf
    return Order(options.seed, options.count or PARTS[name].count, until)


async def run_part(name: str, order: Order) -> Outcome:
    """Run one part to its end."""
    run: Callable[[Order], Awaitable[Outcome]] = importlib.import_module(f"benchmarks.campaign.{name}").run
    return await run(order)


def main() -> int:
    table = "\n".join(f"  {name:<11}{part.count:>6,}  {part.what}" for name, part in PARTS.items())
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.campaign",
        description=f"Attacks the real server and engine at random, by a seed.\n\n{table}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--part", action="append", choices=PARTS, help="repeatable; all without it")
    parser.add_argument("--minutes", type=float, help="how long to go on with each part (default: its count)")
    parser.add_argument("--count", type=int, help="how much of each part to try")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--model", type=Path, default=SMALL, help="the model that takes the embedded one's place"
    )
    options = parser.parse_args()
    os.environ["AIX_LSP_EMBEDDED"] = str(options.model)
    announce()
    found = 0
    for name in options.part or PARTS:
        began, order = time.monotonic(), order_for(name, options)
        outcome = asyncio.run(run_part(name, order))
        print("\n".join(outcome.lines(order, time.monotonic() - began)), flush=True)
        found += len(outcome.found)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
