"""Measures the runner's decoding and prefill speed relative to transformers' generate and llama.cpp.

`python -m benchmarks.engine_decode [--llama-server PATH] [--json]`. Contenders take turns, a few tokens each, so that
the machine's other work affects all of them alike; ratios are medians over the rounds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from benchmarks.baselines.llama_server import HOW_TO_BUILD, LlamaServer
from benchmarks.machine import announce
from benchmarks.random_llama import write_random_llama
from training.gguf_writer import write_gguf

EMBEDDED = Path(__file__).parent.parent / "aix_lsp" / "embedded"
PROMPT_TOKENS = 512


@dataclass(frozen=True)
class Speed:
    """Tokens per second, for the prompt and for the text generated after it."""

    prefill: float
    decode: float


Contender = Callable[[list[int], int], Awaitable[Speed]]
"""From a prompt and a number of tokens to generate to the speeds."""


@dataclass
class Figures:
    """A contender's rounds."""

    name: str
    rounds: list[Speed] = field(default_factory=list)

    def median(self, what: str) -> float:
        return statistics.median([float(getattr(speed, what)) for speed in self.rounds])


Dtype = Literal["auto", "int8", "bfloat16", "float32"]


def ours(folder: Path, dtype: Dtype, threads: int) -> Contender:
    """Our runner with a single sequence, including sampling."""
    from aix_lsp.engine.model.loader import load
    from aix_lsp.engine.options import EngineOptions
    from aix_lsp.engine.step import Row

    name = "embedded" if folder == EMBEDDED else str(folder)
    runner = load(EngineOptions(model=name, dtype=dtype, threads=threads), lambda stage, part: None).runner
    pages = range(runner.page_count)

    async def run(prompt: list[int], count: int) -> Speed:
        import torch

        torch.set_num_threads(threads)
        begin = time.perf_counter()
        sampled = runner.step([Row(prompt, 0, pages)])
        between = time.perf_counter()
        for at in range(count):
            assert sampled
            sampled = runner.step([Row([sampled[0][0].token], len(prompt) + at, pages)])
        end = time.perf_counter()
        return Speed(len(prompt) / (between - begin), count / (end - between))

    return run


def generate(folder: Path, dtype: str, threads: int) -> Contender:
    """transformers' generate with its own cache, greedy."""
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, dtype)).eval()

    def timed(prompt: list[int], count: int) -> float:
        begin = time.perf_counter()
        model.generate(
            torch.tensor([prompt]),
            attention_mask=torch.ones(1, len(prompt), dtype=torch.int64),
            max_new_tokens=count,
            min_new_tokens=count,
            do_sample=False,
        )
        return time.perf_counter() - begin

    async def run(prompt: list[int], count: int) -> Speed:
        torch.set_num_threads(threads)
        one = timed(prompt, 1)
        return Speed(len(prompt) / one, count / max(1e-9, timed(prompt, count + 1) - one))

    return run


class TokenServer(LlamaServer):
    """llama-server, used for plain continuations of token ids."""

    async def run(self, prompt: list[int], count: int) -> Speed:
        """The speeds that it measures itself, without HTTP."""
        body = {
            "prompt": prompt,
            "n_predict": count,
            "temperature": 0,
            "ignore_eos": True,
            "cache_prompt": False,
            "stream": True,
        }
        last: dict[str, Any] = {}
        async for event in self._stream("/completion", body):
            last = event
        timings = last["timings"]
        return Speed(timings["prompt_per_second"], timings["predicted_per_second"])


async def measure(
    folder: Path, contenders: dict[str, Contender], rounds: int, count: int
) -> dict[str, Figures]:
    """All contenders in turns; the first round warms up and does not count."""
    vocabulary = json.loads((folder / "config.json").read_text())["vocab_size"]
    prompt = [6 + (at * 7919) % (min(vocabulary, 8000) - 6) for at in range(PROMPT_TOKENS)]
    figures = {name: Figures(name) for name in contenders}
    for number in range(rounds + 1):
        for name, run in contenders.items():
            speed = await run(prompt, count)
            if number:
                figures[name].rounds.append(speed)
    return figures


def ratio(figures: dict[str, Figures], what: str, first: str, second: str) -> float | None:
    """Median over the rounds of first / second; None if one of them did not run."""
    if first not in figures or second not in figures:
        return None
    pairs = zip(figures[first].rounds, figures[second].rounds, strict=True)
    return statistics.median([float(getattr(a, what)) / float(getattr(b, what)) for a, b in pairs])


GOALS = (
    ("embedded", "prefill", "ours auto", "ours float32", 1.0),
    ("embedded", "decode", "ours auto", "ours float32", 1.0),
    ("embedded", "decode", "ours int8", "llama.cpp q8_0", 0.6),
    ("embedded", "decode", "ours int8", "generate float32", 6.0),
    ("embedded", "prefill", "ours int8", "llama.cpp q8_0", None),
    ("365M", "decode", "ours int8", "llama.cpp q8_0", 1.0),
    ("365M", "decode", "ours bfloat16", "llama.cpp bf16", None),
    ("365M", "decode", "ours int8", "generate bfloat16", None),
    ("365M", "prefill", "ours bfloat16", "llama.cpp bf16", 1.5),
    ("365M", "prefill", "ours int8", "llama.cpp q8_0", None),
)
"""Model, figure, contender, its reference, goal."""


async def model_figures(
    name: str, folder: Path, options: argparse.Namespace, work: Path
) -> dict[str, Figures]:
    """All contenders on one model."""
    peer_dtype = "float32" if name == "embedded" else "bfloat16"
    contenders: dict[str, Contender] = {}
    async with AsyncExitStack() as stack:
        for kind in ("q8_0", "bf16") if options.llama_server else ():
            weights = work / f"{name}-{kind}.gguf"
            if not weights.is_file():
                write_gguf(folder, weights, kind)
            server = TokenServer(
                options.llama_server, weights, spm=False, slots=1, threads=options.threads, context=2048
            )
            contenders[f"llama.cpp {kind}"] = (await stack.enter_async_context(server)).run
        # "auto", the default, is what has been measured to be the fastest on this CPU.
        chosen: tuple[Dtype, ...] = ("auto", "float32") if name == "embedded" else ()
        for dtype in ("int8", "bfloat16", *chosen):
            contenders[f"ours {dtype}"] = ours(folder, dtype, options.threads)
        contenders[f"generate {peer_dtype}"] = generate(folder, peer_dtype, options.threads)
        return await measure(folder, contenders, options.rounds, options.tokens)


def report(found: dict[str, dict[str, Figures]]) -> list[dict[str, Any]]:
    """The ratios, with their goals."""
    rows = []
    for model, what, first, second, goal in GOALS:
        if model in found:
            value = ratio(found[model], what, first, second)
            rows.append(
                {"model": model, "figure": what, "of": first, "to": second, "ratio": value, "goal": goal}
            )
    return rows


def show(found: dict[str, dict[str, Figures]], rows: list[dict[str, Any]]) -> None:
    for model, figures in found.items():
        print(f"\n{model}, prompt of {PROMPT_TOKENS}, tokens a second (medians)")
        for one in figures.values():
            print(
                f"  {one.name:20} prefill {one.median('prefill'):8.0f}   decode {one.median('decode'):7.1f}"
            )
    print()
    for row in rows:
        value = "not run" if row["ratio"] is None else f"{row['ratio']:.2f} x"
        goal = "" if row["goal"] is None else f"   (goal {row['goal']} x)"
        print(f"{row['model']:9} {row['figure']:8} {row['of']:14} / {row['to']:18} {value}{goal}")


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--llama-server", type=Path, help="its binary; " + HOW_TO_BUILD)
    parser.add_argument("--models", default="embedded,365M")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tokens", type=int, default=32)
    parser.add_argument("--threads", type=int, default=2, help="of every contender")
    parser.add_argument("--work", type=Path, help="keeps the random model and its GGUF files between runs")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    announce(options.llama_server)
    with tempfile.TemporaryDirectory() as temporary:
        work = options.work or Path(temporary)
        work.mkdir(parents=True, exist_ok=True)
        found = {}
        for name in options.models.split(","):
            folder = EMBEDDED if name == "embedded" else write_random_llama(work / name, EMBEDDED)
            found[name] = await model_figures(name, folder, options, work)
    rows = report(found)
    if options.json:
        speeds = {m: {n: [asdict(s) for s in f.rounds] for n, f in fs.items()} for m, fs in found.items()}
        print(json.dumps({"ratios": rows, "rounds": speeds}))
        return
    show(found, rows)
    if not options.llama_server:
        print(f"llama.cpp was not run: {HOW_TO_BUILD}")


if __name__ == "__main__":
    asyncio.run(main())
