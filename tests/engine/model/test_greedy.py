"""The whole engine with the embedded model gives the same output as transformers' generate, however it is
batched.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from aix_lsp.engine.events import Piece
from aix_lsp.engine.metrics import EngineMetrics
from aix_lsp.engine.model.loader import load
from aix_lsp.engine.options import EngineOptions, LoadedModel
from aix_lsp.engine.parameters import CompletionParameters
from aix_lsp.engine.scheduling.schedule import StepLimits
from aix_lsp.engine.served import ServedModel
from aix_lsp.fim.prompt import FimPrompt
from tests.models import SMALL

NEW = 24
SOURCE = Path(__file__).read_text("utf-8")
PROMPTS = [
    FimPrompt(SOURCE[:900], SOURCE[1000:1400]),
    FimPrompt(SOURCE[:901], SOURCE[1000:1400]),
    FimPrompt(SOURCE[:1300]),
    FimPrompt("for i in range(10):\n    print(i)\nfor j in range(10):\n    print(", ")\n"),
    FimPrompt("", SOURCE[:300]),
]


@pytest.fixture(scope="module")
def model() -> LoadedModel:
    return load(EngineOptions(dtype="float32", threads=1), lambda stage, fraction: None)


@pytest.fixture(scope="module")
def reference(model: LoadedModel) -> dict[FimPrompt, str]:
    """The output of generate for the prompts, in the engine's layout."""
    folder = SMALL
    eager = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
    served = ServedModel(model)
    told = {}
    for prompt in PROMPTS:
        tokens = served._layout.lay_out(prompt, 2000, heal=False).tokens
        kept = {"do_sample": False, "suppress_tokens": list(served._vocabulary.banned)}
        ids = torch.tensor([tokens])
        with torch.inference_mode():
            whole: Any = eager.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=NEW, **kept)
        new = takewhile(lambda token: token not in served._vocabulary.ends, whole[0, len(tokens) :].tolist())
        told[prompt] = b"".join(map(served._vocabulary.bytes_of, new)).decode("utf-8", "ignore")
    return told


@contextmanager
def serving(model: LoadedModel, drafts: int) -> Iterator[ServedModel]:
    made = ServedModel(model, metrics=EngineMetrics(), limits=StepLimits(drafts=drafts, smallest_chunk=16))
    made.engine.start()
    yield made
    made.engine.stop()


@pytest.fixture(params=[0, 8], ids=["plain", "drafts"])
def served(model: LoadedModel, request: pytest.FixtureRequest) -> Iterator[ServedModel]:
    with serving(model, request.param) as made:
        yield made


async def text(served: ServedModel, prompt: FimPrompt, heal: bool = False) -> str:
    stream = await served.complete(CompletionParameters(prompt, max_tokens=NEW, heal=heal, recall=0.0))
    return "".join([event.text async for event in stream if isinstance(event, Piece)])


async def test_alone_and_again_from_the_cache(served: ServedModel, reference: dict[FimPrompt, str]) -> None:
    for _ in range(2):
        for prompt in PROMPTS:
            assert await text(served, prompt) == reference[prompt]
    metrics = served.engine.read_metrics().text().decode()
    assert "aix_prompt_tokens_reused_total" in metrics


async def test_all_at_once(served: ServedModel, reference: dict[FimPrompt, str]) -> None:
    found = await asyncio.gather(*(text(served, prompt) for prompt in PROMPTS * 2))
    assert found == [reference[prompt] for prompt in PROMPTS] * 2


async def test_a_healed_word_is_drafted_without_changing_the_text(model: LoadedModel) -> None:
    prompts = [FimPrompt(SOURCE[:end], SOURCE[end + 40 : end + 400]) for end in range(700, 760, 3)]
    found = {}
    for drafts in (0, 8):
        with serving(model, drafts) as made:
            found[drafts] = [await text(made, prompt, heal=True) for prompt in prompts]
            accepted = made.engine._stepper.scheduler.drafter.accepted
            assert (accepted > 0) == (drafts > 0)
    assert found[0] == found[8]
