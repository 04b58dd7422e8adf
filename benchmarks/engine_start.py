"""Measures how an engine starts with a model: seconds until it is ready, processor time, memory.

`python -m benchmarks.engine_start [MODEL ...] [--starts 2] [--json]`. Each model gets a fresh home: its first start
prepares it, later ones use the prepared model. The files are read once before, so that no start waits for the disk.
Memory is measured when the engine is ready, and again after 20 suggestions.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from aix_lsp import processes
from benchmarks.machine import announce
from tests.client.editor import environment

_SUGGESTIONS = 20
_SOURCE = Path(__file__)
_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Memory:
    """MiB: resident, proportional share of resident, and not backed by a file."""

    rss: float
    pss: float
    anonymous: float


@dataclass(frozen=True, slots=True)
class Start:
    """One start: `ready_s` is wall time, `cpu_s` processor time until then, `peak` the most resident MiB until then."""

    model: str
    number: int
    ready_s: float
    cpu_s: float
    peak: float
    ready: Memory
    served: Memory
    running: str

    def line(self) -> str:
        """A row of the report."""
        return (
            f"{self.model} | {self.number} | {self.ready_s:.1f} | {self.cpu_s:.1f} | {self.peak:.0f} | "
            f"{self.ready.rss:.0f}, {self.ready.pss:.0f}, {self.ready.anonymous:.0f} | "
            f"{self.served.rss:.0f}, {self.served.pss:.0f}, {self.served.anonymous:.0f} | {self.running}"
        )


_HEADER = (
    "model | start | ready, s | processor, s | peak, MiB | resident, PSS, without files | after "
    f"{_SUGGESTIONS} suggestions | runs as"
)


def measure(model: str, starts: int) -> Iterator[Start]:
    """Start an engine with the model `starts` times in one fresh home."""
    with tempfile.TemporaryDirectory(prefix="aix-") as home:
        for number in range(1, starts + 1):
            yield _start(model, number, Path(home))


def _start(model: str, number: int, home: Path) -> Start:
    begin = time.perf_counter()
    with subprocess.Popen(
        processes.python("aix_lsp", "engine", "--model", model, "--host", "127.0.0.1"),
        env=environment(home),
        stdout=subprocess.PIPE,
        stderr=(home / f"engine-{number}.log").open("wb"),
        text=True,
    ) as engine:
        try:
            assert engine.stdout is not None
            line = engine.stdout.readline()
            ready_s = time.perf_counter() - begin
            if not line:
                sys.exit((home / f"engine-{number}.log").read_text())
            process = psutil.Process(engine.pid)
            times = process.cpu_times()
            peak, ready = _peak(engine.pid), _memory(process)
            url = json.loads(line)["url"]
            running = _answer(f"{url}/health", None)["model"]["running"]
            _suggest(url)
            served = _memory(process)
        finally:
            engine.terminate()
    return Start(model, number, ready_s, times.user + times.system, peak, ready, served, running)


def _memory(process: psutil.Process) -> Memory:
    full = process.memory_full_info()
    maps = Path(f"/proc/{process.pid}/smaps_rollup")
    anonymous = _field(maps, "Anonymous") if maps.exists() else full.uss / _MIB
    return Memory(full.rss / _MIB, getattr(full, "pss", full.rss) / _MIB, anonymous)


def _peak(pid: int) -> float:
    status = Path(f"/proc/{pid}/status")
    return _field(status, "VmHWM") if status.exists() else 0.0


def _field(file: Path, name: str) -> float:
    """A field that /proc gives in kB, in MiB."""
    line = next(line for line in file.read_text().splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1]) / 1024


def _suggest(url: str) -> None:
    """Request suggestions in this very file, as an editor would while its user types."""
    text = _SOURCE.read_text()
    for at in range(len(text) // 2, len(text) // 2 + _SUGGESTIONS):
        asked = {"prompt": text[:at], "suffix": text[at:], "max_tokens": 16, "temperature": 0}
        _answer(f"{url}/v1/completions", json.dumps(asked).encode())


def _answer(url: str, body: bytes | None) -> dict[str, dict[str, str]]:
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as response:
        found: dict[str, dict[str, str]] = json.load(response)
        return found


def _warm(model: str) -> None:
    """Bring a model's files into the system's cache."""
    path = Path(model)
    for file in path.rglob("*") if path.is_dir() else [path]:
        if file.is_file():
            file.read_bytes()


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("models", nargs="*", default=["embedded"], help="as in the setting `model`")
    parser.add_argument("--starts", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    announce()
    if not options.json:
        print(_HEADER)
    for model in options.models:
        _warm(model)
        for start in measure(model, options.starts):
            print(json.dumps(asdict(start)) if options.json else start.line(), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
