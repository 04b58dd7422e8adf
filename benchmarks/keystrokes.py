"""Replays typing through the real server and prints what a keystroke costs; with a baseline, both in one run.

`python -m benchmarks.keystrokes [--keys 300] [--llama-server PATH [--gguf PATH]] [--json]`
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict
from pathlib import Path

import aix_lsp
from benchmarks.baselines.llama_server import HOW_TO_BUILD, LlamaServer
from benchmarks.baselines.windows import Windows
from benchmarks.keystroke_report import Run, Stroke, compare, summarise, verbose_line
from benchmarks.machine import announce
from benchmarks.scripts import Moment, Script, scripts
from tests.client.editor import Editor
from tests.client.engine_watch import EngineClient, wait_until_gone
from tests.client.ghost import GhostTyping
from tests.client.readiness import wait_until_ready
from training.gguf_writer import write_gguf

EMBEDDED = Path(aix_lsp.__file__).parent / "embedded"

MAX_TOKENS = 64
"""Tokens of the longest suggestion: the server's default, also used for the baselines."""


BASELINE_CONTEXT = 4096
"""Tokens. A baseline has somewhat more tokens than we do for the same text, and must not truncate it."""


async def replay_ours(
    editor: Editor, script: Script, interval_s: float | None, run: Run
) -> list[list[Moment]]:
    """Type a script with the real server; after each key, wait for the answer, or only for `interval_s`.

    Adds to `run`; returns the moments at each place.
    """
    buffer = editor.open(f"file:///replay/{script.name}", script.beginning())
    places = []
    for typist in script.typists(buffer):
        typing = GhostTyping(editor, buffer)
        moments = []
        while typist.remaining:
            key, changes = typist.step()
            editor.changed(buffer, changes)
            stroke = typing.ask(key)
            moments.append(Moment(script.name, buffer.text, buffer.cursor, key))
            await (stroke.settled() if interval_s is None else asyncio.sleep(interval_s))
        await typing.last.settled()
        run.add([Stroke.ours(stroke) for stroke in typing.strokes])
        places.append(moments)
    editor.close(buffer)
    return places


async def replay_baseline(baseline: LlamaServer, places: Sequence[Sequence[Moment]], run: Run) -> None:
    """Replay the same keys with a baseline, with the same windows."""
    windows = Windows()
    for moments in places:
        answers = [await baseline.infill(windows.at(moment), MAX_TOKENS) for moment in moments]
        run.add([Stroke.baseline(m.key, answer) for m, answer in zip(moments, answers, strict=True)])


@asynccontextmanager
async def our_server(home: Path, options: dict[str, object]) -> AsyncIterator[Editor]:
    """The real server with its own engine, ready."""
    async with await Editor.start(home) as editor:
        # Without the usual deadline: a truncated answer would count as a fast one. Without the debounce: keys that
        # follow an answer at once, within a millisecond, are faster than anybody types.
        own = {
            "idleExitS": 1,
            "maxTokens": MAX_TOKENS,
            "popup": False,
            "deadlineMs": 20_000,
            "waitMs": 0,
        }
        await editor.initialize(options=own | options)
        await wait_until_ready(editor)
        yield editor
    await wait_until_gone(home)


async def run(options: argparse.Namespace) -> list[Run]:
    """Our run first, then each baseline's, file by file, so that the state of the machine affects all alike."""
    chosen = scripts(options.keys, options.seed, options.source)
    engine = json.loads(options.engine) if options.engine else {}
    async with AsyncExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="aix-keys-")))
        editor = await stack.enter_async_context(our_server(home, engine))
        probe = await stack.enter_async_context(EngineClient(home))
        baselines = [await stack.enter_async_context(baseline) for baseline in baselines_of(options, home)]
        runs = [Run("aix-lsp"), *(Run(baseline.name) for baseline in baselines)]
        interval = options.interval_ms / 1000 if options.interval_ms else None
        before = await probe.metrics()
        for script in chosen:
            places = await replay_ours(editor, script, interval, runs[0])
            for own, baseline in zip(runs[1:], baselines, strict=True):
                await replay_baseline(baseline, places, own)
        runs[0].engine = {
            name: value - before.get(name, 0) for name, value in (await probe.metrics()).items()
        }
        return runs


def baselines_of(options: argparse.Namespace, folder: Path) -> list[LlamaServer]:
    """llama.cpp as its users run it, and with the prompt order that suits typing."""
    if options.llama_server is None:
        return []
    weights = options.gguf or write_gguf(EMBEDDED, folder / "embedded.gguf", "q8_0", BASELINE_CONTEXT)
    threads = options.threads or os.cpu_count() or 1
    return [
        LlamaServer(
            options.llama_server, weights, spm=spm, slots=1, threads=threads, context=BASELINE_CONTEXT
        )
        for spm in (False, True)
    ]


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.keystrokes", description=__doc__)
    parser.add_argument("--keys", type=int, default=300, help="minimum number of keystrokes")
    parser.add_argument("--seed", type=int, default=1, help="chooses files and pieces")
    parser.add_argument("--source", type=Path, help="folder of Python files (default: the standard library)")
    parser.add_argument("--interval-ms", type=float, help="type on without waiting for the answers")
    parser.add_argument("--engine", help='settings of the server as JSON, such as \'{"dtype": "float32"}\'')
    parser.add_argument("--llama-server", type=Path, metavar="PATH", help="llama.cpp's server, as a baseline")
    parser.add_argument("--gguf", type=Path, help="weights for it (default: written from the embedded model)")
    parser.add_argument("--threads", type=int, help="the baseline's threads (default: all cores)")
    parser.add_argument("--verbose", action="store_true", help="a line for each keystroke")
    parser.add_argument("--json", action="store_true", help="everything as JSON")
    return parser.parse_args(arguments)


def main() -> int:
    options = parse()
    announce(options.llama_server)
    runs = asyncio.run(run(options))
    if options.json:
        print(json.dumps([asdict(run) | {"summary": run.summary()} for run in runs], indent=1))
        return 0
    for run_ in runs:
        if options.verbose:
            print("\n".join([run_.name, *map(verbose_line, run_.strokes)]))
        print("\n".join(summarise(run_)))
    if len(runs) > 1:
        print("\n".join(compare(runs[0], runs[1:])))
    else:
        print(f"no baseline in this run: {HOW_TO_BUILD}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
