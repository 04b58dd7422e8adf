"""Measures decoding on a GPU: one stream against the time to read the weights, 64 streams against transformers.

`python -m benchmarks.gpu` on a machine with CUDA; elsewhere, it says so and exits with status 2. `--device cpu
--layers 2` tries out the command itself.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from benchmarks.engine_decode import EMBEDDED
from benchmarks.machine import announce
from benchmarks.random_llama import LARGE_SHAPE, write_random_llama

PROMPT_TOKENS = 512
FLOOR_GOAL = 0.7
RATE_GOAL = 3.0


def bandwidth(device: str) -> float:
    """Bytes per second that this device reads and writes when it copies a tensor."""
    import torch

    source = torch.empty(1 << (30 if device == "cuda" else 26), dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    times = []
    for _ in range(10):
        begin = time.perf_counter()
        target.copy_(source)
        synchronize(device)
        times.append(time.perf_counter() - begin)
    return 2 * source.numel() / min(times)


def synchronize(device: str) -> None:
    import torch

    if device == "cuda":
        torch.cuda.synchronize()


def prompts(streams: int) -> list[list[int]]:
    """Different prompts of the same length, so that nothing can be shared."""
    return [
        [6 + (at * 7919 + stream * 104729) % 7994 for at in range(PROMPT_TOKENS)] for stream in range(streams)
    ]


def one_stream(model: Any, tokens: int) -> float:
    """Median seconds per token of our runner, including sampling."""
    from aix_lsp.engine.step import Row

    runner, prompt = model.runner, prompts(1)[0]
    pages = range(runner.page_count)
    [[sampled]] = runner.step([Row(prompt, 0, pages)])
    times = []
    for at in range(tokens):
        begin = time.perf_counter()
        [[sampled]] = runner.step([Row([sampled.token], len(prompt) + at, pages)])
        times.append(time.perf_counter() - begin)
    return statistics.median(times[tokens // 4 :])


class Counted:
    """An `Output` that only counts tokens."""

    likely = ()

    def allowed(self, drafts: object = ()) -> tuple[()]:
        return ()

    def push(self, sampled: object) -> bool:
        return False

    def take(self) -> None:
        return None

    def close(self, reason: Any) -> Any:
        from aix_lsp.engine.events import Piece

        return Piece(0, "", 0, 0.0, reason)


async def ours(model: Any, streams: int, tokens: int) -> float:
    """Tokens per second of our engine, including scheduling and prompts."""
    from aix_lsp.engine.engine import Engine
    from aix_lsp.engine.scheduling.schedule import StepLimits
    from aix_lsp.engine.scheduling.sequence import Request, Sequence

    engine = Engine(model.runner, limits=StepLimits(running=streams, client_running=streams, drafts=0))
    engine.start()

    async def one(prompt: list[int]) -> None:
        request = Request()
        request.sequences = [Sequence(request, 0, list(prompt), len(prompt), len(prompt) + tokens, Counted())]
        async for _ in engine.submit(request):
            pass

    begin = time.perf_counter()
    await asyncio.gather(*(one(prompt) for prompt in prompts(streams)))
    elapsed = time.perf_counter() - begin
    await asyncio.to_thread(engine.stop)
    return streams * tokens / elapsed


def generate(model: Any, streams: int, tokens: int) -> float:
    """Tokens per second of transformers' generate with all prompts as one batch."""
    import torch

    ids = torch.tensor(prompts(streams), device=model.device)
    begin = time.perf_counter()
    model.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        max_new_tokens=tokens,
        min_new_tokens=tokens,
        do_sample=False,
    )
    synchronize(model.device.type)
    return streams * tokens / (time.perf_counter() - begin)


def continuous_batching(model: Any, streams: int, tokens: int) -> float:
    """Tokens per second of transformers' continuous batching."""
    from transformers import GenerationConfig

    config = GenerationConfig(max_new_tokens=tokens, do_sample=False, eos_token_id=-1, pad_token_id=0)
    begin = time.perf_counter()
    answers = model.generate_batch(inputs=prompts(streams), generation_config=config)
    return sum(len(answer.generated_tokens) for answer in answers.values()) / (time.perf_counter() - begin)


def measure(folder: Path, device: Literal["cpu", "cuda"], streams: int, tokens: int) -> list[str]:
    """The figures as lines of text. Each is measured twice; the first time does not count."""
    import torch
    from transformers import AutoModelForCausalLM

    from aix_lsp.engine.model.loader import load
    from aix_lsp.engine.options import EngineOptions

    options = EngineOptions(model=str(folder), device=device, dtype="bfloat16")
    loaded = load(options, lambda stage, share: None)
    token = [one_stream(loaded, tokens) for _ in range(2)][1]
    floor = loaded.weight_bytes / bandwidth(device)
    rate = [asyncio.run(ours(loaded, streams, tokens)) for _ in range(2)][1]
    del loaded
    baseline = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16).to(device).eval()
    rows = [
        f"one stream: {1e3 * token:.2f} ms a token, its weights' bytes alone {1e3 * floor:.2f} ms: "
        f"{floor / token:.2f} of the floor (goal {FLOOR_GOAL})",
        f"{streams} streams: {rate:.0f} tokens a second",
    ]
    baselines: dict[str, Callable[[Any, int, int], float]] = {
        "generate": generate,
        "continuous batching": continuous_batching,
    }
    for name, run in baselines.items():
        other = [run(baseline, streams, tokens) for _ in range(2)][1]
        rows.append(f"  {name}: {other:.0f}; ours ÷ it {rate / other:.2f} (goal {RATE_GOAL})")
    return rows


def main() -> int:
    import torch

    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cuda")
    parser.add_argument("--streams", type=int, default=64)
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--layers", type=int, default=LARGE_SHAPE["num_hidden_layers"])
    parser.add_argument("--work", type=Path, help="keeps the random model between runs")
    options = parser.parse_args()
    if options.device == "cuda" and not torch.cuda.is_available():
        print("there is no GPU here that torch sees: nothing was measured", file=sys.stderr)
        return 2
    announce()
    with tempfile.TemporaryDirectory() as temporary:
        folder = (options.work or Path(temporary)) / f"1.5B-{options.layers}"
        folder.mkdir(parents=True, exist_ok=True)
        shape = LARGE_SHAPE | {"num_hidden_layers": options.layers}
        write_random_llama(folder, EMBEDDED, shape)
        print("\n".join(measure(folder, options.device, options.streams, options.tokens)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
