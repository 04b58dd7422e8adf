"""Measures suggestions per second with many clients typing: ours, llama-server with as many slots, transformers.

`python -m benchmarks.clients [--llama-server PATH]`. Every client types its own file and sends its next request as soon
as it is answered. All contenders get the same windows, generate the same number of tokens without streaming, and take
turns.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from aix_lsp.fim.prompt import FimPrompt
from benchmarks.baselines.llama_server import HOW_TO_BUILD, LlamaServer
from benchmarks.baselines.transformers_baselines import ContinuousBatching, GenerateOneByOne, Tokenized
from benchmarks.baselines.windows import Windows
from benchmarks.keystrokes import BASELINE_CONTEXT, EMBEDDED
from benchmarks.machine import announce
from benchmarks.scripts import Moment, Script, scripts, steps
from tests.client.buffer import Buffer
from tests.client.own_engine import OwnEngine, completion_body, own_engine
from training.gguf_writer import write_gguf

TOKENS = 16
"""Tokens per suggestion: about a line of code."""


class Contender(Protocol):
    """A server or library that completes code for several clients."""

    name: str

    async def suggest(self, client: int, prompt: FimPrompt, max_tokens: int) -> int:
        """Complete; returns how many tokens were generated."""
        ...


class Ours:
    """Our engine, over its HTTP interface."""

    name = "aix-lsp"

    def __init__(self, engine: OwnEngine) -> None:
        self._engine = engine

    async def suggest(self, client: int, prompt: FimPrompt, max_tokens: int) -> int:
        body = completion_body(
            prompt.prefix, prompt.suffix, max_tokens, middle=prompt.middle, stream_key=f"client {client}"
        )
        answer = await self._engine.whole(body | {"user": f"client {client}"})
        return int(answer["usage"]["completion_tokens"])


@dataclass
class Score:
    """A contender's result in one measurement."""

    suggestions: int = 0
    tokens: int = 0
    seconds: float = 0.0

    @property
    def rate(self) -> float:
        """Suggestions per second."""
        return self.suggestions / self.seconds


@dataclass
class Typing:
    """One client's prompts, keystroke by keystroke, repeated endlessly."""

    prompts: list[FimPrompt]
    at: int = 0

    def next(self) -> FimPrompt:
        self.at += 1
        return self.prompts[self.at % len(self.prompts)]


@dataclass
class Table:
    """Scores by number of clients and by contender."""

    scores: dict[int, dict[str, list[Score]]] = field(default_factory=dict)

    def add(self, clients: int, name: str, score: Score) -> None:
        self.scores.setdefault(clients, {}).setdefault(name, []).append(score)

    def rate(self, clients: int, name: str) -> float:
        return statistics.median(score.rate for score in self.scores[clients][name])

    def rows(self) -> list[str]:
        rows = []
        for clients, by_name in self.scores.items():
            rows.append(
                f"{clients} clients typing             suggestions a second   tokens each   ours ÷ it"
            )
            for name, scores in by_name.items():
                tokens = sum(score.tokens for score in scores) / max(1, sum(s.suggestions for s in scores))
                rate = self.rate(clients, name)
                ratio = self.rate(clients, Ours.name) / rate
                rows.append(f"  {name:34} {rate:11.2f} {tokens:13.1f} {ratio:11.2f}")
        return rows


def typing_of(script: Script) -> Typing:
    """The prompts of all keystrokes in a script."""
    buffer = Buffer("", script.beginning(), "python")
    windows = Windows()
    return Typing(
        [
            windows.at(Moment(script.name, buffer.text, buffer.cursor, key))
            for typist in script.typists(buffer)
            for key in steps(typist)
        ]
    )


async def measure(contender: Contender, typings: Sequence[Typing], seconds: float) -> Score:
    """All clients at once for `seconds`, each sending its next request when answered."""
    score = Score()
    began = time.perf_counter()

    async def client(number: int, typing: Typing) -> None:
        while time.perf_counter() - began < seconds:
            tokens = await contender.suggest(number, typing.next(), TOKENS)
            score.suggestions += 1
            score.tokens += tokens

    await asyncio.gather(*(client(number, typing) for number, typing in enumerate(typings)))
    score.seconds = time.perf_counter() - began
    return score


async def run(options: argparse.Namespace) -> Table:
    """All contenders in turns; a short first turn warms each up and does not count."""
    table = Table()
    typings = [typing_of(script) for script in one_each(max(options.clients))]
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="aix-clients-")))
        engine = await stack.enter_async_context(own_engine("--threads", str(options.threads)))
        weights = options.gguf or write_gguf(EMBEDDED, folder / "embedded.gguf", "q8_0", BASELINE_CONTEXT)
        tokenized = Tokenized(EMBEDDED, options.threads)
        for clients in options.clients:
            async with AsyncExitStack() as turn:
                batching = await turn.enter_async_context(ContinuousBatching(tokenized, TOKENS))
                contenders: list[Contender] = [Ours(engine), GenerateOneByOne(tokenized), batching]
                for spm in (False, True) if options.llama_server else ():
                    baseline = LlamaServer(
                        options.llama_server,
                        weights,
                        spm=spm,
                        slots=clients,
                        threads=options.threads,
                        context=BASELINE_CONTEXT,
                    )
                    contenders.append(await turn.enter_async_context(baseline))
                for contender in contenders:
                    await measure(contender, typings[:clients], options.seconds / 4)
                for _ in range(options.rounds):
                    for contender in contenders:
                        score = await measure(contender, typings[:clients], options.seconds)
                        table.add(clients, contender.name, score)
    return table


def one_each(count: int) -> list[Script]:
    """As many different files as there are clients."""
    chosen: dict[str, Script] = {}
    seed = 0
    while len(chosen) < count:
        seed += 1
        chosen |= {script.name: script for script in scripts(400, seed)}
    return list(chosen.values())[:count]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.clients", description=__doc__)
    parser.add_argument("--clients", type=int, nargs="+", default=[8, 16])
    parser.add_argument("--seconds", type=float, default=8, help="of one turn")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="of every contender")
    parser.add_argument("--llama-server", type=Path, metavar="PATH")
    parser.add_argument("--gguf", type=Path, help="weights for it (default: written from the embedded model)")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    announce(options.llama_server)
    table = asyncio.run(run(options))
    if options.json:
        rates = {n: {name: table.rate(n, name) for name in by_name} for n, by_name in table.scores.items()}
        print(json.dumps(rates, indent=1))
        return 0
    print("\n".join(table.rows()))
    if not options.llama_server:
        print(f"llama.cpp did not take part: {HOW_TO_BUILD}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
