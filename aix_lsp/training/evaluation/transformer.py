"""A model folder loaded with transformers, as a NextToken. Knows no prompts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from aix_lsp.engine.model.reading import read_config, read_model
from aix_lsp.engine.options import EngineOptions
from aix_lsp.engine.pages.radix import common_length
from aix_lsp.training.evaluation.completer import Logits, load_tokenizer
from aix_lsp.training.export import model_folder
from aix_lsp.training.precision import product_dtype

_LARGE = 50_000_000
_CONTEXT = 2048
"""The most tokens: models with longer contexts are compared on as much text as those with shorter ones."""


class TransformerModel:
    """transformers' own forward pass, since weights are compared, not engines.

    In float32, except for models of more than 50 M parameters on a machine that is faster in bfloat16: float32 would
    take hours.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.name = name
        folder = model_folder(folder)
        options = EngineOptions(model=str(folder), offline=True)
        self.tokenizer = load_tokenizer(folder)
        config = read_config(folder, options)
        self._model = read_model(folder, options, config, torch.float32, torch.device("cpu"))
        if self._model.num_parameters() > _LARGE:
            self._model.to(product_dtype())
        self.context = min(_CONTEXT, int(self._model.config.max_position_embeddings))
        self._tokens: list[int] = []
        self._cache: Any = None

    def start(self, tokens: Sequence[int]) -> Logits:
        """See NextToken. What the sequence shares with the previous one is not computed again."""
        tokens = list(tokens)
        # At least one token must be computed, to get the scores of the next.
        shared = min(common_length(self._tokens, tokens), len(tokens) - 1)
        if not shared:
            self._cache = None
        elif shared < len(self._tokens):
            self._cache.crop(shared - len(self._tokens))
        self._tokens = tokens
        return self._compute(tokens[shared:])

    def add(self, token: int) -> Logits:
        """See NextToken."""
        self._tokens.append(token)
        return self._compute([token])

    def _compute(self, tokens: Sequence[int]) -> Logits:
        with torch.no_grad():
            out = self._model(
                torch.tensor([list(tokens)]), past_key_values=self._cache, use_cache=True, logits_to_keep=1
            )
        self._cache = out.past_key_values
        scores: Logits = out.logits[0, -1].float().numpy()
        return scores

    def nats(self, tokens: Sequence[int]) -> float:
        """See NextToken."""
        ids = torch.tensor([list(tokens)])
        with torch.no_grad():
            logits = self._model(ids[:, :-1], use_cache=False).logits[0]
        return float(torch.nn.functional.cross_entropy(logits.float(), ids[0, 1:], reduction="sum"))
