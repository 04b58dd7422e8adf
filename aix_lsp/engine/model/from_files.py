"""Loads a model from its files with transformers, in the fastest way of running that passes its check.

Owns the order in which the ways are tried. Importing it takes a second and 100 MB, for transformers.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from aix_lsp.engine.model import llama_shape, precision
from aix_lsp.engine.model.agreement import sample_tokens
from aix_lsp.engine.model.assemble import (
    Unfit,
    Wanted,
    assemble_lean,
    assemble_paged,
    assemble_recomputing,
)
from aix_lsp.engine.model.assembled import Assembled
from aix_lsp.engine.model.kernel_choice import candidates
from aix_lsp.engine.model.precision import Precision
from aix_lsp.engine.model.prepared import Prepared
from aix_lsp.engine.model.reading import context_length, end_tokens, read_config, read_model, read_tokenizer
from aix_lsp.engine.options import EngineOptions, ModelError, Progress

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Read:
    """A model that is ready to compute, its tokenizer, its context length and the tokens that end its texts."""

    assembled: Assembled
    tokenizer: Any
    context: int
    ends: frozenset[int]


@dataclass(frozen=True, slots=True)
class Files:
    """A model's files, which hold `parameters` weights, and how they are to be loaded."""

    folder: Path
    parameters: int
    options: EngineOptions
    device: torch.device
    progress: Progress

    def load(self, chosen: Precision, keep: Prepared | None) -> Read:
        """Read and assemble the model; what `keep` can keep of it is stored there. Raises ModelError."""
        config = read_config(self.folder, self.options)
        tokenizer = read_tokenizer(self.folder, self.options)
        ends = frozenset({tokenizer.eos_token_id} - {None})
        context = context_length(config)
        wanted = Wanted(
            self.options.dtype,
            chosen,
            self.device,
            context,
            _sample(config, tokenizer),
            tokenizer.backend_tokenizer.to_str(),
            ends,
            progress=self.progress,
        )
        assembled, more = self._assemble(config, wanted, keep)
        return Read(assembled, tokenizer, context, ends.union(more))

    def _assemble(self, config: Any, wanted: Wanted, keep: Prepared | None) -> tuple[Assembled, list[int]]:
        """The fastest way of running that passes its check, and the model's end tokens. A way that fails may have
        taken the model apart, so each starts from the files."""
        lean = config.model_type in llama_shape.FAMILIES
        chosen, plain = wanted.precision, precision.unquantised(self.device, self.parameters)
        reason = ""
        while True:
            model = self._read(config, wanted.precision)
            ends = end_tokens(model)
            try:
                found = assemble_lean(model, wanted, keep) if lean else assemble_paged(model, wanted)
                return (replace(found, running=found.running + reason), ends)
            except Unfit as error:
                how = f"{'lean' if lean else 'paged'}, {wanted.precision.name}"
                log.warning("%s cannot run %s: %s", self.options.model, how, error)
                reason = reason or f"; not otherwise, since {error}"
                wrong = {kernel.name for kernel in error.choice.kernels} if error.choice else set()
            del model
            if wrong and (left := candidates(self.options.dtype, wanted.excluded | wrong)):
                log.info("kernels left: %s", ", ".join(kernel.name for kernel in left))
                wanted = replace(wanted, excluded=wanted.excluded | wrong)
            elif lean and chosen.int8 and self.options.dtype == "auto" and wanted.precision.int8:
                wanted = replace(wanted, precision=plain)
            elif lean:
                lean, wanted = False, replace(wanted, precision=chosen, excluded=frozenset())
            elif wanted.precision.int8 and self.options.dtype == "auto":
                wanted = replace(wanted, precision=plain)
            else:
                return self._recomputing(config, plain)

    def _recomputing(self, config: Any, plain: Precision) -> tuple[Assembled, list[int]]:
        name = self.options.model
        model = self._read(config, plain)
        try:
            found = assemble_recomputing(model, self.device)
        except Unfit as error:
            raise ModelError(f"{name} cannot be run here: {error}; change the setting model") from error
        log.warning("%s runs without a KV cache, which is slow; choose another with the setting model", name)
        return found, end_tokens(model)

    def _read(self, config: Any, chosen: Precision) -> Any:
        self.progress("weights", 0.0)
        return read_model(self.folder, self.options, config, chosen.load, self.device)


def _sample(config: Any, tokenizer: Any) -> list[int]:
    """The text that int8 is judged by, in the model's tokens."""
    vocab = config.get_text_config().vocab_size
    return sample_tokens(lambda text: tokenizer(text, add_special_tokens=False).input_ids, vocab)
