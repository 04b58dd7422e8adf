"""transformers as a baseline: `generate`, one request after another, and its own continuous batching."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from aix_lsp.fim.prompt import FimPrompt


class Tokenized:
    """The embedded model and its tokenizer, loaded with transformers alone."""

    def __init__(self, folder: Path, threads: int) -> None:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        from aix_lsp.fim.templates import detect

        torch.set_num_threads(threads)
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        template = detect(self.tokenizer.get_added_vocab(), folder.name)
        assert template is not None, f"{folder} is no fill-in-the-middle model"
        self.template = template

    def ids(self, prompt: FimPrompt) -> list[int]:
        """The prompt in the format that the model was trained on."""
        text = self.template.render(prompt)
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])


class GenerateOneByOne:
    """Each request waits for its turn at `model.generate`."""

    name = "generate, one by one"

    def __init__(self, tokenized: Tokenized) -> None:
        self._tokenized = tokenized
        self._turn = asyncio.Lock()

    async def suggest(self, client: int, prompt: FimPrompt, max_tokens: int) -> int:
        """Returns the number of tokens generated."""
        del client  # no request benefits from an earlier one
        async with self._turn:
            return await asyncio.to_thread(self._generate, prompt, max_tokens)

    def _generate(self, prompt: FimPrompt, max_tokens: int) -> int:
        import torch

        ids = torch.tensor([self._tokenized.ids(prompt)])
        out = self._tokenized.model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=max_tokens,
            min_new_tokens=max_tokens,
            do_sample=False,
        )
        return int(out.shape[1] - ids.shape[1])


class ContinuousBatching:
    """transformers' continuous batching manager, with all requests in flight at once."""

    name = "transformers continuous batching"

    def __init__(self, tokenized: Tokenized, max_tokens: int) -> None:
        from transformers import GenerationConfig

        config = GenerationConfig(max_new_tokens=max_tokens, do_sample=False, eos_token_id=-1, pad_token_id=0)
        self._tokenized = tokenized
        self._manager: Any = tokenized.model.init_continuous_batching(generation_config=config)

    async def __aenter__(self) -> ContinuousBatching:
        self._manager.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self._manager.stop, block=True, timeout=30)

    async def suggest(self, client: int, prompt: FimPrompt, max_tokens: int) -> int:
        """Returns the number of tokens generated. Raises RuntimeError if the request failed."""
        del client
        finished: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        def take(result: Any) -> None:
            if result.is_finished() and not finished.done():
                finished.set_result(result)

        request = f"request {id(finished)}"
        self._manager.register_result_handler(request, take)
        self._manager.add_request(self._tokenized.ids(prompt), request_id=request, max_new_tokens=max_tokens)
        result = await finished
        if result.error:
            raise RuntimeError(result.error)
        return len(result.generated_tokens)
