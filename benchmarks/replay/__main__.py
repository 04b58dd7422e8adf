"""`python -m benchmarks.replay`: what suggestions are worth, compared with the bare model or other settings."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any, TextIO

from benchmarks.machine import announce
from benchmarks.replay import report
from benchmarks.replay.ablation import PATIENCE_S, UNHURRIED, Ablation, Result, ablate, names, rows, sides
from benchmarks.replay.bare import bare
from benchmarks.replay.corpus import DEBIAN, LANGUAGES, Unreachable, chosen, default_cache
from benchmarks.replay.figures import Totals, totals_of
from benchmarks.replay.person import Work
from benchmarks.replay.run import Conditions, Unit, compare, units
from benchmarks.replay.server import server
from benchmarks.replay.sides import Side

BARE, HEALED = BARES = ("bare", "healed")
QUICK = {"files": 30, "minutes": 4.0}


class Results:
    """The totals of all files so far."""

    def __init__(self, names: Sequence[str], looks: TextIO | None) -> None:
        self.names = names
        self.units: list[Unit] = []
        self.totals: list[list[Totals]] = []
        self._looks = looks

    def add(self, unit: Unit, work: list[Work]) -> None:
        """Add the work of each side on one unit."""
        self.units.append(unit)
        self.totals.append([totals_of(each) for each in work])
        saved = (f"{1 - each.keys / each.keys_alone:.0%}" for each in work)
        pair = f" with {unit.neighbour.path}" if unit.neighbour else ""
        print(f"  {unit.source.name}{pair}: {', '.join(saved)}", file=sys.stderr)
        for name, each in zip(self.names, work, strict=True):
            if not each.finished:
                print(f"    {name} did not end with the file as it should be", file=sys.stderr)
            if self._looks:
                for look in each.looks:
                    line = {"side": name, "file": unit.source.name, **asdict(look)}
                    print(json.dumps(line), file=self._looks)

    def of(self, language: str = "", pairs: bool | None = None) -> dict[str, list[Totals]]:
        """The totals of each side, for one language, or for units with or without a neighbour."""
        rows = [
            row
            for unit, row in zip(self.units, self.totals, strict=True)
            if language in ("", unit.plan.language) and pairs in (None, unit.neighbour is not None)
        ]
        return {name: [row[index] for row in rows] for index, name in enumerate(self.names)}


async def run(options: argparse.Namespace, looks: TextIO | None) -> Results:
    """Type all files on all sides."""
    files = chosen(options.files, options.languages, options.seed, options.cache)
    work = list(units(files, options.seed))
    settings = json.loads(options.settings)
    async with AsyncExitStack() as stack:
        typists: list[Side] = []
        for name in ("ours", *options.against):
            more = {} if name in ("ours", *BARES) else json.loads(name)
            home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="aix-rp-")))
            label = ", ".join(f"{key}={value}" for key, value in more.items()) or name
            made: Any = (
                bare(name, settings, name == HEALED)
                if name in BARES
                else server(label, settings | more, home)
            )
            typists.append(await stack.enter_async_context(made))
        results = Results([side.name for side in typists], looks)
        deadline = time.monotonic() + 60 * options.minutes
        conditions = Conditions(
            options.seed, options.patience_ms / 1000, deadline, options.pauses, options.whole_pauses
        )
        await compare(work, typists, conditions, results.add)
        return results


async def run_ablation(options: argparse.Namespace) -> Ablation:
    """Type all files on all rows for which they can make a difference."""
    files = chosen(options.files, options.languages, options.seed, options.cache)
    found = Ablation(rows(options.rows))
    deadline = time.monotonic() + 60 * options.minutes
    conditions = Conditions(options.seed, PATIENCE_S, deadline, UNHURRIED)

    def done(unit: Unit, results: list[Result]) -> None:
        found.add(unit, results)
        typed = sum(result.typed for result in results)
        print(f"  {unit.source.name}: {typed} of {len(results)} rows typed", file=sys.stderr)

    async with sides(found.rows, json.loads(options.settings)) as typists:
        await ablate(list(units(files, options.seed)), typists, conditions, done)
    return found


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.replay", description=__doc__)
    parser.add_argument("--files", type=int, default=90, help="maximum number of files")
    parser.add_argument("--minutes", type=float, default=60.0, help="no file is started after this time")
    parser.add_argument(
        "--quick", action="store_true", help=f"{QUICK['files']} files, {QUICK['minutes']} minutes"
    )
    parser.add_argument("--languages", nargs="+", choices=LANGUAGES + DEBIAN, default=LANGUAGES)
    parser.add_argument("--seed", type=int, default=1, help="chooses files, pieces and pauses")
    parser.add_argument("--patience-ms", type=float, default=1000, help="longest wait for an answer")
    parser.add_argument(
        "--pauses",
        type=float,
        default=1.0,
        help="factor on pauses, for busy machines, where timing is meaningless",
    )
    parser.add_argument(
        "--whole-pauses",
        action="store_true",
        help="wait for the rest of a pause after an answer: for servers that read ahead meanwhile",
    )
    parser.add_argument("--settings", default="{}", help="settings of our side, as JSON")
    parser.add_argument(
        "--against",
        action="append",
        help='what to compare with: "bare" (the default), "healed" (with the engine\'s healing of cut tokens), '
        '"none", or settings as JSON that change ours, such as '
        '\'{"multiline": "never"}\', \'{"model": "PATH"}\' or \'{"url": "http://…"}\'; more than once for more',
    )
    _add_outputs(parser)
    options = parser.parse_args(arguments)
    if options.quick:
        options.files, options.minutes = int(QUICK["files"]), QUICK["minutes"]
    options.against = [side for side in options.against or [BARE] if side != "none"]
    return options


def _add_outputs(parser: argparse.ArgumentParser) -> None:
    """Add the options for what is kept and written, and those of the ablation."""
    parser.add_argument("--cache", type=Path, default=default_cache(), help="where the packages are kept")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures")
    parser.add_argument(
        "--looks", type=Path, metavar="FILE", help="write everything that was shown, a line each"
    )
    parser.add_argument(
        "--ablation",
        action="store_true",
        help="a Markdown table of our side with one part taken out after the other, instead of a comparison; "
        "a row is typed only where the part mattered",
    )
    parser.add_argument(
        "--rows",
        nargs="+",
        choices=names(),
        default=(),
        metavar="ROW",
        help=f"rows of the ablation, by name or by group: {', '.join(names())}",
    )


def main() -> int:
    options = parse()
    announce()
    looks = options.looks.open("w", encoding="utf-8") if options.looks else None
    try:
        if options.ablation:
            print("\n".join(asyncio.run(run_ablation(options)).table()))
            return 0
        results = asyncio.run(run(options, looks))
    except Unreachable as error:
        print(
            f"{error}\nthe packages are fetched with pip, npm and apt-get; --cache names where they are",
            file=sys.stderr,
        )
        return 1
    finally:
        if looks:
            looks.close()
    print(
        f"{len(results.units)} files, {sum(u.neighbour is not None for u in results.units)} with a neighbour"
    )
    print("\n".join(report.table(results.of())))
    parts = {language: results.of(language) for language in options.languages}
    parts["with a neighbour"] = results.of(pairs=True)
    for label, totals in parts.items():
        if totals["ours"]:
            print("\n".join([f"{label}:", *report.table(totals, report.BY_LANGUAGE)]))
    if options.json:
        found = {"all": results.of()} | parts
        figures = {label: report.as_json(totals) for label, totals in found.items() if totals["ours"]}
        names = [unit.source.name for unit in results.units]
        options.json.write_text(json.dumps({"files": names, "figures": figures}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
