"""The stepper under thousands of random steps: submitting, cancelling, failing."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from aix_lsp.engine.events import Failed
from aix_lsp.engine.scheduling.sequence import Request
from aix_lsp.engine.step import OutOfMemory, Row
from tests.engine.bench import Bench
from tests.engine.fakes import FakeRunner, expected, request


@pytest.mark.parametrize("seed", range(12))
def test_fuzz(seed: int) -> None:
    """Checks the tokens, the pool's invariant, and that each request ends once."""
    rng = random.Random(seed)
    size = rng.choice((1, 2, 4, 16))
    runner = FakeRunner(
        pages=rng.choice((160 // size, 600 // size)), page_size=size, vocab=rng.choice((3, 11))
    )
    bench = Bench(
        runner,
        running=rng.choice((1, 3, 16)),
        step_tokens=rng.choice((8, 64)),
        smallest_chunk=rng.choice((1, 8)),
    )
    stems = [[rng.randrange(runner.vocab_size) for _ in range(60)] for _ in range(3)]
    end = rng.choice((None, 1))
    broken: set[Request] = set()

    def weather(rows: Sequence[Row]) -> None:
        if rng.random() < 0.004:
            broken.update(s.request for s in bench.stepper.scheduler.sequences.running)
            raise rng.choice((OutOfMemory("no"), RuntimeError("no")))
        live = [r for r in bench.told if not r.finished]
        if live and rng.random() < 0.02:
            rng.choice(live).cancelled = True
            bench.signals.raised += 1

    runner.before = weather
    for step in range(600):
        if rng.random() < 0.25 and len(bench.stepper.scheduler.sequences.waiting) < 20:
            bench.add(any_request(rng, rng.choice(stems), runner.vocab_size, end))
        bench.stepper.run_once()
        bench.end_cancelled()
        if step % 5 == 0:
            bench.stepper.scheduler.check_integrity()
    runner.before = lambda rows: None
    bench.run()
    assert check_tokens(bench, broken, end) > 20
    bench.check_clean()


def any_request(rng: random.Random, stem: list[int], vocab: int, end: int | None) -> Request:
    """A random request that may share the start of its prompt with others, and heal its last word."""
    healed = range(rng.choice((0, 0, 1, 3)))
    return request(
        stem[: rng.randrange(1, 60)] + [rng.randrange(vocab) for _ in range(rng.randrange(4))],
        new=rng.randrange(1, 30),
        n=rng.choice((1, 1, 3)),
        end=end,
        temperature=rng.choice((0.0, 1.0)),
        priority=rng.randrange(4),
        namespace=rng.choice(("", "b")),
        client=rng.choice("xyz"),
        limits=[rng.sample(range(vocab), rng.randrange(1, vocab)) for _ in healed],
        guesses=[rng.randrange(vocab) for _ in healed],
    )


def check_tokens(bench: Bench, broken: set[Request], end: int | None) -> int:
    """Compare each request's output with the fake model; returns how many candidates were completed."""
    complete = 0
    for one in bench.told:
        if isinstance(bench.end(one), Failed):
            assert one in broken
            continue
        for sequence, tokens in zip(one.sequences, bench.texts(one), strict=True):
            whole = expected(sequence, bench.runner.vocab_size, end)
            if one.cancelled:
                assert tokens == whole[: len(tokens)]
            else:
                assert tokens == whole
                complete += 1
    return complete
