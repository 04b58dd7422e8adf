"""Measures what the secret detector finds, and its cost: `python -m benchmarks.secrets` (`--each 4` for more secrets of
every kind).

Secrets of every kind are planted in every position; ordinary files, from the standard library and other installed
packages, should not be masked at all. Also measured are the time of a keystroke in a document of 10,000 lines, and
whether time is linear in the length of a hostile text.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sysconfig
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from aix_lsp.completion.text import Position, Text
from aix_lsp.privacy.documents import search_ahead, without_secrets
from aix_lsp.privacy.secrets import redact
from benchmarks.stats import percentile
from tests.privacy.adversary import FORMATS, PLACES, adversary, forms, is_told_behind
from tests.privacy.heldout import HARMLESS, heldout
from tests.privacy.heldout import KINDS as heldout_kinds
from tests.privacy.planted import KINDS, Plant, leaks, plants
from tests.privacy.test_leaks import POSITIONS, TOO_MUCH, leaked

_ENDINGS = "py pyi js ts h hpp cpp c pm rb go rs java css html md rst json yaml yml toml cfg conf sh txt"
_LINES = 10_000
_KEYS = 300


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--each", type=int, default=2, help="secrets of every kind")
    parser.add_argument("--files", type=int, default=300, help="ordinary files")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    planted("planted", plants(arguments.seed, arguments.each), KINDS)
    planted("held out", heldout(arguments.seed, arguments.each), heldout_kinds)
    planted("adversary", adversary(arguments.seed), len({kind for kind, *_ in forms()}))
    planted("formats", adversary(arguments.seed, FORMATS), len({kind for kind, *_ in forms(FORMATS)}))
    planted("places", adversary(arguments.seed, PLACES), len({kind for kind, *_ in forms(PLACES)}))
    masked = sum(bool(redact(line, "python").placeholders) for line in HARMLESS)
    print(f"harmless, held out: {masked} of {len(HARMLESS)} masked")
    ordinary(arguments.seed, arguments.files)
    keystrokes()
    growth()


def planted(name: str, secrets: Iterator[Plant], kinds: int) -> None:
    """Print the leaks by position."""
    found: Counter[str] = Counter()
    count = 0
    for plant in secrets:
        count += 1
        for position in POSITIONS:
            if is_told_behind(plant) and position in ("half typed", "key by key"):
                continue
            if leaked(plant, position):
                found[position] += 1
                print(f"  leaks {position}: {plant.kind}")
        if leaks(plant.secret, redact(plant.text, plant.language).text):
            found["in a file"] += 1
            print(f"  leaks in a file: {plant.kind}")
    print(f"{name}: {count} secrets of {kinds} kinds")
    for position in (*POSITIONS, "in a file"):
        print(f"  {position:12} {found[position]} leaks")


def ordinary(seed: int, count: int) -> None:
    """Print the lines that are masked in files without secrets."""
    by_ending: dict[str, list[Path]] = {}
    for file in _installed():
        by_ending.setdefault(file.suffix.removeprefix("."), []).append(file)
    rng, chosen = random.Random(seed), []
    for ending in sorted(by_ending):
        chosen += rng.sample(sorted(by_ending[ending]), min(len(by_ending[ending]), count))
    chosen = rng.sample(chosen, min(count, len(chosen)))
    lines = masked = 0
    began = time.process_time()
    for file in chosen:
        text = file.read_text("utf-8", "replace")
        clean = redact(text, file.suffix.removeprefix(".")).text
        lines += text.count("\n") + 1
        for before, after in zip(text.split("\n"), clean.split("\n"), strict=True):
            if before != after:
                masked += 1
                print(f"  masked in {file.name}: {after.strip()[:100]}")
    took = time.process_time() - began
    print(
        f"ordinary: {len(chosen)} files, {lines} lines, {masked} masked, {1000 * masked / lines:.2f} in 1,000 lines"
    )
    print(f"  the first look at a line takes {1e6 * took / lines:.1f} us")


def _installed() -> Iterator[Path]:
    places = [
        sysconfig.get_path("stdlib"),
        sysconfig.get_path("purelib"),
        "/usr/lib/node_modules",
        "/usr/include",
    ]
    for place in places:
        for ending in _ENDINGS.split():
            for file in Path(place).rglob(f"*.{ending}"):
                if file.is_file() and 500 < file.stat().st_size < 150_000:
                    yield file


def keystrokes() -> None:
    """Print the processor time to clean a document after each keystroke, and after each key that moves lines."""
    source: list[str] = []
    for file in sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"), key=lambda file: file.name[::-1]):
        source += file.read_text("utf-8", "replace").split("\n")
    text = Text.of("\n".join(source[:_LINES]))
    line = _LINES // 2
    took, longest = asyncio.run(_first_look(text, line))
    print(f"a document of {_LINES} lines: first look {took:.0f} ms, at most {longest:.0f} ms at a time")
    for name, key in (("a letter", "x"), ("a new line", "\n")):
        times = []
        for _ in range(_KEYS):
            place = Position(line, 0)
            text = text.replace(place, place, key)
            began = time.thread_time()
            without_secrets(text, "python", line, len(key.strip()))
            times.append(1000 * (time.thread_time() - began))
        print(f"  {name}: p50 {percentile(times, 50):.2f} ms, p95 {percentile(times, 95):.2f} ms")


async def _first_look(text: Text, line: int) -> tuple[float, float]:
    """Milliseconds of processor time of the first search, and the longest time between two turns of the event loop."""
    steps: list[float] = []
    searching = asyncio.create_task(search_ahead(text, "python", line, 0))
    while not searching.done():
        began = time.thread_time()
        await asyncio.sleep(0)
        steps.append(1000 * (time.thread_time() - began))
    return sum(steps), max(steps)


def growth() -> None:
    """Print the seconds for hostile texts, and how they grow when the text is four times as long."""
    for name, make in TOO_MUCH.items():
        times = []
        for size in (65_536, 262_144, 1_048_576):
            text = make(size)
            began = time.process_time()
            redact(text)
            times.append(time.process_time() - began)
        print(f"hostile, {name}: 64 KB {times[0]:.2f} s, 256 KB {times[1]:.2f} s, 1 MB {times[2]:.2f} s")


if __name__ == "__main__":
    main()
