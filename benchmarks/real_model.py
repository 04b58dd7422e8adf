"""Compares the engine with llama.cpp on the same real weights: prefill of 300 tokens, and decoding.

Seconds are processor time, on one thread each, in turns: on a shared machine, wall time says which program was left
alone, not which is faster. The time that a program needs to start is subtracted.

    python -m benchmarks.real_model FOLDER --llama-bench PATH --gguf q8_0.gguf --gguf q4_k_m.gguf
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from aix_lsp.engine.model.loader import load
from aix_lsp.engine.model.prepared import machine
from aix_lsp.engine.options import EngineOptions, LoadedModel
from aix_lsp.engine.step import Row

READ = 300
DECODED = 32


@dataclass(frozen=True)
class Seconds:
    """Processor time: for reading the prompt, and per decoded token after it."""

    read: float
    decode: float


def ours(model: LoadedModel) -> Seconds:
    """One measurement of the loaded model."""
    pages = range(model.runner.page_count)
    prompt = [random.randrange(300, 3000) for _ in range(READ)]
    begin = time.thread_time()
    model.runner.step([Row(prompt, 0, pages)])
    read = time.thread_time()
    for at in range(DECODED):
        model.runner.step([Row([5], READ + at, pages)])
    return Seconds(read - begin, (time.thread_time() - read) / DECODED)


def theirs(bench: Callable[..., float]) -> Seconds:
    """One measurement of llama.cpp; `bench` runs llama-bench with further arguments."""
    start = bench("-p", "1", "-n", "0")
    read = bench("-p", str(READ), "-n", "0") - start
    few, many = (bench("-p", "0", "-n", str(count), "-d", str(READ)) for count in (8, 8 + DECODED))
    return Seconds(read, (many - few) / DECODED)


def runs(binary: Path, gguf: Path) -> Callable[..., float]:
    """A function that runs llama-bench with one thread, and returns its processor seconds."""

    def bench(*arguments: str) -> float:
        before = os.times()
        command = [str(binary), "-m", str(gguf), "-t", "1", "-r", "1", "--no-warmup", *arguments]
        subprocess.run(command, check=True, capture_output=True)
        after = os.times()
        return after.children_user + after.children_system - before.children_user - before.children_system

    return bench


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", help="the model, as in the setting `model`")
    parser.add_argument("--llama-bench", type=Path, required=True)
    parser.add_argument("--gguf", type=Path, action="append", default=[])
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    model = load(EngineOptions(model=options.folder, device="cpu", threads=1), lambda stage, share: None)
    print(json.dumps(machine()))
    print(model.running)
    ours(model)
    found: dict[str, list[Seconds]] = {name: [] for name in ("ours", *map(str, options.gguf))}
    for _ in range(options.rounds):
        found["ours"].append(ours(model))
        for gguf in options.gguf:
            found[str(gguf)].append(theirs(runs(options.llama_bench, gguf)))
    for name, rounds in found.items():
        read, decode = (
            statistics.median(getattr(one, what) for one in rounds) for what in ("read", "decode")
        )
        print(f"{name}: {READ} tokens read in {read:.2f} s, a token decoded in {decode * 1e3:.1f} ms")
    for gguf in options.gguf:
        pairs = list(zip(found["ours"], found[str(gguf)], strict=True))
        read = statistics.median(baseline.read / own.read for own, baseline in pairs)
        decode = statistics.median(baseline.decode / own.decode for own, baseline in pairs)
        print(f"ours against {gguf.name}: reading {read:.2f} x, decoding {decode:.2f} x")


if __name__ == "__main__":
    main()
