"""Puts a team's servers under load: `python -m benchmarks.team [ROW …]`. Real processes, with one thread each.

The rows are those of the table in docs/scale.md. Exit status 1 if a goal is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import sys
import time
from dataclasses import asdict

from benchmarks.machine import announce
from benchmarks.team.beside_vllm import BESIDE_VLLM
from benchmarks.team.fit import simulation
from benchmarks.team.on_ray import ON_RAY
from benchmarks.team.report import Row
from benchmarks.team.scenarios import SCENARIOS, Scenario, Setting

ROWS: dict[str, Scenario] = {**SCENARIOS, **ON_RAY, "simulate": simulation}
FURTHER = BESIDE_VLLM
"""Rows that run only if named, because they need another program."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.team", description=__doc__)
    parser.add_argument(
        "rows",
        nargs="*",
        metavar="ROW",
        help=f"of {', '.join(ROWS)} (default: all of these; router and autoscale need Ray), {', '.join(FURTHER)}",
    )
    parser.add_argument("--typists", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=10.0, help="of one turn")
    parser.add_argument("--rounds", type=int, default=2, help="turns of each side of a comparison")
    parser.add_argument(
        "--engine",
        default="--kv-memory-mb 512",
        help="further arguments of each replica, as one string (default: %(default)s, room for all documents)",
    )
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows_by_name: dict[str, Scenario] = {**ROWS, **FURTHER}
    unknown = set(options.rows) - set(rows_by_name)
    if unknown:
        parser.error(f"no row is called {', '.join(sorted(unknown))}; there are {', '.join(rows_by_name)}")
    logging.getLogger("aix_lsp").setLevel(logging.CRITICAL)  # failing servers are part of the test
    announce()
    say = (lambda line: print(line, file=sys.stderr)) if options.json else print
    setting = Setting(options.typists, options.seconds, options.rounds, tuple(options.engine.split()), say)
    found: list[Row] = []
    for name in options.rows or ROWS:
        began = time.monotonic()
        say(f"{name}:")
        rows = asyncio.run(rows_by_name[name](setting))
        for row in rows:
            say(row.line())
        say(f"  ({time.monotonic() - began:.0f} s)")
        found += rows
    if options.json:
        print(json.dumps([asdict(row) | {"reached": row.reached} for row in found], indent=1))
    return 0 if all(row.reached for row in found) else 1


if __name__ == "__main__":
    sys.exit(main())
