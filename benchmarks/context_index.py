"""Measures the cost of indexing and searching a large workspace: `python -m benchmarks.context_index` (100,000 files;
`--files` for fewer).

The real server's searcher indexes a tree of generated Python. Its time is compared with that of only reading the same
files once, the index's size with theirs, and the event loop's delays while indexing with those before.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from aix_lsp.completion.context.index_client import IndexClient, database
from benchmarks.machine import announce
from benchmarks.stats import percentile

_FOLDER = 20
_SOURCES = ["imports", "siblings", "definitions", "similar"]
_BEAT_S = 0.01


@dataclass(frozen=True)
class Report:
    """Seconds, MiB, and ratios."""

    files: int
    source_mib: float
    index_mib: float
    index_to_source: float
    reading_s: float
    indexing_s: float
    indexing_cpu_s: float
    indexing_cpu_to_reading: float
    builder_peak_mib: float
    searcher_mib: float
    again_s: float
    """If nothing has changed."""
    gather_p50_ms: float
    gather_p95_ms: float
    gather_while_indexing_p95_ms: float
    pause_p99_ms: float
    """Of the event loop, while nothing is being indexed."""
    pause_while_indexing_p99_ms: float


def main() -> None:
    """Print the report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="aix-context-"))
    try:
        os.environ["AIX_LSP_HOME"] = str(folder / "home")
        report = asyncio.run(measure(folder / "workspace", arguments.files))
    finally:
        shutil.rmtree(folder)
    if arguments.json:
        print(json.dumps(asdict(report)))
    else:
        for name, value in asdict(report).items():
            print(f"{name:32} {value:12,.2f}" if isinstance(value, float) else f"{name:32} {value:12,}")
    announce()


async def measure(root: Path, files: int) -> Report:
    """Index `files` files, twice, and search them."""
    texts = write_tree(root, files)
    size = sum(path.stat().st_size for path in texts)
    reading = _read_all(texts)
    quiet = await _pauses(asyncio.sleep(2))
    building = Building(root)
    gathered: list[float] = []
    busy = await _pauses(building.run(gathered, texts))
    memory = building.searcher_mib()
    print(
        f"indexed in {building.seconds:.0f} s, {building.cpu:.0f} of the processor; at most "
        f"{building.peak_mib:.0f} MiB, and {memory:.0f} MiB in the searcher",
        file=sys.stderr,
    )
    index = sum(file.stat().st_size for file in database(str(root)).parent.glob("*.db*"))
    asked = random.Random(2).sample(texts, min(200, len(texts)))
    rest = [await building.gather(path) for path in asked]
    await building.close()
    again = Building(root)
    await again.run([], texts)
    await again.close()
    return Report(
        files,
        size / 2**20,
        index / 2**20,
        index / size,
        reading,
        building.seconds,
        building.cpu,
        building.cpu / reading,
        building.peak_mib,
        memory,
        again.seconds,
        percentile(rest, 50),
        percentile(rest, 95),
        percentile(gathered, 95),
        percentile(quiet, 99),
        percentile(busy, 99),
    )


class Building:
    """A searcher whose folder is being indexed, watched from outside."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.seconds = self.cpu = self.peak_mib = 0.0
        self._done = asyncio.Event()
        self._searcher = IndexClient(lambda folder, done, of: None, self._done.set)

    async def run(self, gathered: list[float], texts: list[Path]) -> None:
        """Index, with an occasional search, whose times are added to `gathered`."""
        start = time.perf_counter()
        self._searcher.open(self.root, [])
        draw = random.Random(1)
        while not self._done.is_set():
            await asyncio.sleep(0.25)
            self._look_at_builder()
            if texts:
                gathered.append(await self.gather(draw.choice(texts)))
        self.seconds = time.perf_counter() - start

    async def gather(self, path: Path) -> float:
        """Milliseconds of one search in the middle of a file."""
        text = await asyncio.to_thread(path.read_text)
        place = text.find("\n", len(text) // 2)
        start = time.perf_counter()
        await self._searcher.gather(
            self.root,
            {
                "path": path.relative_to(self.root).as_posix(),
                "language": "python",
                "head": text[:16384],
                "before": text[:place],
                "after": text[place:],
                "sources": _SOURCES,
            },
        )
        return 1000 * (time.perf_counter() - start)

    def searcher_mib(self) -> float:
        """Resident memory of the permanent process."""
        return float(sum(child.memory_info().rss for child in psutil.Process().children())) / 2**20

    async def close(self) -> None:
        await self._searcher.close()

    def _look_at_builder(self) -> None:
        for child in psutil.Process().children():
            for builder in child.children():
                try:
                    times = builder.cpu_times()
                    self.peak_mib = max(self.peak_mib, builder.memory_info().rss / 2**20)
                    self.cpu = max(self.cpu, times.user + times.system)
                except psutil.NoSuchProcess:
                    continue


def write_tree(root: Path, files: int) -> list[Path]:
    """Modules with a few functions and a class each; their names come from one vocabulary, some of them rare."""
    draw = random.Random(0)
    vocabulary = [f"{a}_{b}" for a in _words(draw, 60) for b in _words(draw, 200)]
    written = []
    for number in range(files):
        folder = root / f"area{number // (_FOLDER * 50)}" / f"package{number // _FOLDER}"
        folder.mkdir(parents=True, exist_ok=True)
        written.append(folder / f"module{number}.py")
        written[-1].write_text("\n".join(_module(draw, vocabulary, number)))
    return written


def _module(draw: random.Random, vocabulary: list[str], number: int) -> Iterator[str]:
    names = draw.choices(vocabulary, k=30)
    other = max(0, number - draw.randrange(1, 40))
    yield f"from area{other // (_FOLDER * 50)}.package{other // _FOLDER}.module{other} import Service{other}\n"
    yield f"\nclass Service{number}:\n    def __init__(self, {names[0]}):\n        self.{names[0]} = {names[0]}\n"
    for name in names[1:6]:
        a, b, c = draw.sample(names, 3)
        yield f"    def {name}(self, {a}: int, {b}: str) -> Service{other}:"
        yield f'        """Work on {a} with {b}."""'
        yield f"        for {c} in range({a}):\n            if self.{names[0]} and {c}:"
        yield f"                return Service{other}({b}, {c})\n        return self.{names[0]}.{a}({b})\n"


def _words(draw: random.Random, count: int) -> list[str]:
    return ["".join(draw.choices("aeioubcdfglmnprst", k=draw.randint(4, 8))) for _ in range(count)]


def _read_all(texts: list[Path]) -> float:
    """Processor seconds of only reading the files, which have just been written, so that no disk is waited for."""
    start = time.process_time()
    for path in texts:
        path.read_bytes()
    return time.process_time() - start


async def _pauses(work: object) -> list[float]:
    """How late the event loop wakes up, in ms, while `work` runs."""
    task = asyncio.ensure_future(work)  # type: ignore[call-overload]
    late: list[float] = []
    while not task.done():
        start = time.perf_counter()
        await asyncio.sleep(_BEAT_S)
        late.append(1000 * (time.perf_counter() - start - _BEAT_S))
    await task
    return late


if __name__ == "__main__":
    main()
