"""Measures the cost of planning a step and processing its tokens, without a model: the engine's Python code beside the
forward pass.

`python -m benchmarks.engine_steps [--streams 16] [--profile]`. The runner answers at once with tokens of real text;
requests, recall, drafts, stops and texts are the real ones. Exit status 1 if the goal is missed.
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import statistics
import sys
import time
from collections.abc import Callable, Sequence

from aix_lsp.engine.events import Event
from aix_lsp.engine.metrics import EngineMetrics
from aix_lsp.engine.options import LoadedModel
from aix_lsp.engine.parameters import CompletionParameters
from aix_lsp.engine.scheduling.sequence import Request
from aix_lsp.engine.served import ServedModel
from aix_lsp.engine.step import Row, Sampled
from aix_lsp.engine.stepper import Signals, Stepper
from aix_lsp.fim.prompt import FimPrompt
from benchmarks.machine import announce
from benchmarks.scripts import scripts
from tests.engine.tokenizers_for_tests import embedded

GOAL_MS = 0.5
_TOKENS = 128
"""Tokens of each stream."""


class TextRunner:
    """Generates a fixed text, whatever the prompt; every eighth token differs from it, so that drafts also fail."""

    def __init__(self, tokens: Sequence[int], vocab: int) -> None:
        self.page_size = 16
        self.page_count = 4096
        self.vocab_size = vocab
        self.context_length = 4096
        self._tokens = tokens
        self.took_s = 0.0
        """Processor time of this stand-in, which is not part of the measurement."""

    def release(self, runs: Sequence[tuple[int, int]]) -> int:
        """There is nothing to release."""
        return 0

    def copy_page(self, source: int, target: int, tokens: int) -> None:
        """There is nothing to copy."""

    def step(self, rows: Sequence[Row], abort: Callable[[], bool] = lambda: False) -> list[list[Sampled]]:
        """The next tokens of each row's text, by position."""
        began, text, length = time.thread_time(), self._tokens, len(self._tokens)
        found = []
        for row in rows:
            end = row.start + len(row.tokens) - row.outputs + 1
            found.append(
                [
                    Sampled(text[(end + at) * (1 + (end + at) % 8 // 7) % length], -0.5)
                    for at in range(row.outputs)
                ]
            )
        self.took_s += time.thread_time() - began
        return found


def measure(streams: int, rounds: int, profile: bool) -> list[float]:
    """Milliseconds of processor time of each full step that only decodes; other programs hardly affect it."""
    texts = [script.finished for script in scripts(200)]
    tokenizer = embedded()
    runner = TextRunner([], tokenizer.get_vocab_size())
    model = LoadedModel(runner, tokenizer, "embedded", "cpu", "int8", 4096, frozenset({0}), parameters=1)
    served = ServedModel(model)
    runner._tokens = served._encoder.tokens("\n".join(texts))
    served.corpus.add(texts[:8])
    told: list[Event] = []
    found: list[float] = []
    profiler = cProfile.Profile()
    for turn in range(rounds):
        stepper = Stepper(runner, lambda request, event: told.append(event), Signals(), EngineMetrics())
        for number in range(streams):
            stepper.add(_request(served, texts, turn * streams + number))
        while True:
            began, runner.took_s = time.thread_time(), 0.0
            if profile:
                profiler.enable()
            if not stepper.run_once():
                break
            if profile:
                profiler.disable()
            took = 1e3 * (time.thread_time() - began - runner.took_s)
            running = stepper.scheduler.sequences.running
            if len(running) == streams and all(sequence.pending <= 1 for sequence in running):
                found.append(took)
    if profile:
        profiler.disable()
        pstats.Stats(profiler, stream=sys.stderr).sort_stats("tottime").print_stats(30)
    return found


def _request(served: ServedModel, texts: Sequence[str], number: int) -> Request:
    text = texts[number % len(texts)]
    cursor = min(800 + 37 * number, len(text))
    prompt = FimPrompt(text[:cursor], text[cursor : cursor + 300])
    asked = CompletionParameters(prompt, max_tokens=_TOKENS, stop=("\n\n\n",), client=f"client {number}")
    return served._prepare(asked, time.monotonic())


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engine_steps", description=__doc__)
    parser.add_argument("--streams", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--profile", action="store_true", help="where the time goes, on standard error")
    options = parser.parse_args()
    announce()
    found = measure(options.streams, options.rounds, options.profile)
    mean, median = statistics.mean(found), statistics.median(found)
    print(f"{options.streams} streams, {len(found)} steps of decoding")
    print(
        f"  a step's planning and taking in: median {median:.3f} ms, mean {mean:.3f} ms (goal {GOAL_MS} ms)"
    )
    return 0 if median <= GOAL_MS or options.profile else 1


if __name__ == "__main__":
    sys.exit(main())
