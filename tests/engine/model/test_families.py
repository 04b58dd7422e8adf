"""Every family against transformers' own eager attention: logits in chunks, interleaved, over scattered
pages; and greedy generation, alone and batched, with and without the cache."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
import torch

from aix_lsp.engine.metrics import EngineMetrics
from aix_lsp.engine.model.assemble import assemble_recomputing
from aix_lsp.engine.model.kv import KvPool
from aix_lsp.engine.model.plan import lay_out
from aix_lsp.engine.model.precision import choose
from aix_lsp.engine.model.runner import TorchRunner
from aix_lsp.engine.scheduling.schedule import StepLimits
from aix_lsp.engine.step import Row
from aix_lsp.engine.stepper import Signals, Stepper
from tests.engine.fakes import Recorder, request
from tests.engine.families import FAMILIES, LEAN, RECOMPUTED, VOCAB, assemble, build
from tests.engine.model.steps import stepped

CPU = torch.device("cpu")
PAGE_SIZE = 4
NEW_TOKENS = 10
PROMPTS = tuple(
    tuple(torch.randint(3, VOCAB, (length,), generator=torch.Generator().manual_seed(length)).tolist())
    for length in (3, 17, 29)
)
PATHS = (
    [(case, False) for case in FAMILIES]
    + [(case, True) for case in LEAN]
    + [(case, None) for case in RECOMPUTED]
)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def expected_greedy(model: Any) -> list[list[int]]:
    """The result of transformers' generate for each prompt alone."""
    if model._can_set_attn_implementation():
        model.set_attn_implementation("eager")
    answers = []
    for prompt in PROMPTS:
        out = model.generate(
            torch.tensor([prompt]),
            attention_mask=torch.ones(1, len(prompt), dtype=torch.int64),
            max_new_tokens=NEW_TOKENS,
            min_new_tokens=NEW_TOKENS,
            do_sample=False,
            eos_token_id=None,
        )
        answers.append(out[0, len(prompt) :].tolist())
    return answers


def expected_logits(model: Any) -> list[torch.Tensor]:
    with torch.inference_mode():
        return [
            model(input_ids=torch.tensor([prompt]), use_cache=False).logits[0].float() for prompt in PROMPTS
        ]


@cache
def expected(case: str) -> tuple[list[list[int]], list[torch.Tensor]]:
    """Greedy answers and logits of transformers for the prompts; both paths of a case must match them."""
    model = build(case)
    return expected_greedy(model), expected_logits(model)


def assembled(case: str, lean: bool | None) -> tuple[Any, list[list[int]], list[torch.Tensor]]:
    """Forward pass, greedy answers and logits of transformers for the prompts."""
    model = build(case)
    if lean is None:
        return assemble_recomputing(model, CPU), *expected(case)
    return assemble(model, "float32", 256, lean), *expected(case)


def scattered_pages(count: int, seed: int) -> list[list[int]]:
    """Page tables that are neither contiguous nor sorted."""
    order = torch.randperm(64, generator=torch.Generator().manual_seed(seed)).tolist()
    return [order[at::count] for at in range(count)]


@pytest.mark.parametrize(("case", "lean"), PATHS, ids=[f"{c}-{m}" for c, m in PATHS])
def test_logits_and_greedy_equal_transformers(case: str, lean: bool | None) -> None:
    found, answers, logits = assembled(case, lean)
    pool = KvPool(found.shapes, 64, PAGE_SIZE, found.cache_dtype, CPU)
    _check_chunked_logits(found, pool, logits)
    runner = TorchRunner(found.forward, pool, found.vocab_size, 256)
    assert [_alone(runner, prompt) for prompt in PROMPTS] == answers
    assert _batched(runner) == answers
    _check_through_the_engine(runner, answers)


def _check_chunked_logits(found: Any, pool: KvPool, logits: list[torch.Tensor]) -> None:
    """Chunks of 5 tokens of the first, 7 of the second and 11 of the third prompt side by side."""
    pages = scattered_pages(len(PROMPTS), seed=1)
    done = [0] * len(PROMPTS)
    while any(at < len(prompt) for at, prompt in zip(done, PROMPTS, strict=True)):
        rows, expected = [], []
        for index, (prompt, chunk) in enumerate(zip(PROMPTS, (5, 7, 11), strict=True)):
            tokens = prompt[done[index] : done[index] + chunk]
            if tokens:
                rows.append(Row(tokens, done[index], pages[index], outputs=len(tokens)))
                expected.append(logits[index][done[index] : done[index] + len(tokens)])
                done[index] += len(tokens)
        with torch.inference_mode():
            got = found.forward(lay_out(rows, pool, PAGE_SIZE, CPU))
        torch.testing.assert_close(got.float(), torch.cat(expected), atol=2e-3, rtol=1e-3)


def _alone(runner: TorchRunner, prompt: tuple[int, ...]) -> list[int]:
    """Prefill at once over contiguous pages, then one token a step."""
    pages = range(1, 60)
    tokens = list(prompt)
    start = 0
    for _ in range(NEW_TOKENS):
        [[sampled]] = stepped(runner, [Row(tokens[start:], start, pages)])
        start = len(tokens)
        tokens.append(sampled.token)
    return tokens[len(prompt) :]


def _batched(runner: TorchRunner) -> list[list[int]]:
    """Prompts in chunks beside each other's decoding, over scattered pages."""
    pages = scattered_pages(len(PROMPTS), seed=2)
    texts = [list(prompt) for prompt in PROMPTS]
    computed = [0] * len(PROMPTS)
    while True:
        rows, owners = [], []
        for index, text in enumerate(texts):
            if len(text) - len(PROMPTS[index]) == NEW_TOKENS:
                continue
            end = min(len(text), computed[index] + 8)
            rows.append(
                Row(text[computed[index] : end], computed[index], pages[index], outputs=int(end == len(text)))
            )
            owners.append(index)
            computed[index] = end
        if not rows:
            return [text[len(prompt) :] for text, prompt in zip(texts, PROMPTS, strict=True)]
        for index, sampled in zip(owners, stepped(runner, rows), strict=True):
            texts[index].extend(one.token for one in sampled)


def _check_through_the_engine(runner: TorchRunner, answers: list[list[int]]) -> None:
    """With the scheduler, the cache and drafts: alone, all at once, and each again from the cache."""
    stepper = Stepper(
        runner, lambda told, event: None, Signals(), EngineMetrics(), StepLimits(smallest_chunk=8)
    )
    stepper.scheduler.step_tokens = 16
    alone = [[prompt] for prompt in PROMPTS]
    for wave, reused in ((alone, False), ([PROMPTS], True), (alone, True)):
        found: list[list[int]] = []
        for prompts in wave:
            requests = [request(prompt, NEW_TOKENS) for prompt in prompts]
            for one in requests:
                stepper.add(one)
            while stepper.run_once():
                pass
            for one in requests:
                output = one.sequences[0].output
                assert isinstance(output, Recorder)
                found.append(output.tokens)
            assert all(one.finished for one in requests)
            for one, prompt in zip(requests, prompts, strict=True):
                assert one.sequences[0].reused == (len(prompt) - 1 if reused else 0)
        assert found == answers
    stepper.check_idle()


@pytest.mark.parametrize("dtype", ["bfloat16", "int8"])
@pytest.mark.parametrize(
    ("case", "lean"), [*((case, True) for case in LEAN), ("gemma2", False), ("phi3", False)]
)
def test_other_precisions_pass_their_check(case: str, lean: bool, dtype: str) -> None:
    """The check at load time covers chunks, decoding and interleaving, within the tolerance of bfloat16 and int8."""
    model = build(case).to(choose(dtype, CPU, 0).load)
    found = assemble(model, dtype, 256, lean)
    assert (found.vocab_size, found.dtype) == (VOCAB, dtype)
