"""The real engine and a model that takes context from other files: typing leaves its cached prompt valid."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from aix_lsp.backends.launch import LocalEngine
from aix_lsp.backends.status import wait_until_ready
from aix_lsp.completion.service import CompletionService
from aix_lsp.settings import Settings
from tests.completion.scripted import Editor
from tests.models import SMALL

MODULE = "class Service{0}:\n" + "".join(
    f"    def work_{name}_{{0}}(self, amount: int) -> int:\n        return amount + {{0}}\n\n"
    for name in ("one", "two", "three", "four")
)
TYPED = "\n".join(f"total_{n} = service.work_one_{n}(amount_{n})" for n in range(8))


def small_model(folder: Path) -> None:
    """A model with random weights, of a family that takes context at any size."""
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    tokenizer = AutoTokenizer.from_pretrained(SMALL)
    tokenizer.save_pretrained(folder)
    settings_key: dict[str, Any] = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2}
    heads: dict[str, Any] = {"num_attention_heads": 4, "num_key_value_heads": 2}
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        max_position_embeddings=4096,
        eos_token_id=0,
        bos_token_id=None,
        **settings_key,
        **heads,
    )
    LlamaForCausalLM(config).save_pretrained(folder)


async def test_typing_keeps_the_cache(
    fresh_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIX_LSP_HOME", str(fresh_home))
    model, root = tmp_path / "model", tmp_path / "w"
    await asyncio.to_thread(small_model, model)
    root.mkdir()
    for number in range(12):
        (root / f"service{number}.py").write_text(MODULE.format(number))
    settings = Settings(
        model=str(model), fim_family="aix", recall=False, max_tokens=8, deadline_ms=60_000, wait_ms=0
    )
    backend = LocalEngine(settings)
    assert (await wait_until_ready(backend, 200)).takes_context
    service = CompletionService(backend, lambda language: settings, lambda: [root])
    try:
        indexed = asyncio.Event()
        service.indexing = lambda folder, done, of: indexed.set() if of == 0 else None
        head = "".join(f"from service{n} import Service{n}\n" for n in range(12)) + "\nservice = Service0()\n"
        editor = Editor.at(service, head + "|", uri=(root / "main.py").as_uri())
        await asyncio.wait_for(indexed.wait(), 60)
        warm = await _settled(service, editor)
        for character in TYPED:
            editor.type(character)
            await editor.watch()
        told = service.statistics()
        prompt = told["prompt_tokens"] - warm["prompt_tokens"]
        cached = told["cached_tokens"] - warm["cached_tokens"]
        # A dozen outlines are some hundreds of tokens, which are part of each prompt.
        assert prompt > 300 * len(TYPED) / 2
        assert cached / prompt >= 0.97
    finally:
        await service.close()
        await backend.close()


async def _settled(service: CompletionService, editor: Editor) -> dict[str, Any]:
    """The statistics once a prompt contains snippets from other files."""
    async with asyncio.timeout(60):
        while True:
            before = service.statistics()["prompt_tokens"]
            editor.type("\n")
            service.clear()
            await editor.watch()
            told = service.statistics()
            if told["prompt_tokens"] - before > 300:
                return told
