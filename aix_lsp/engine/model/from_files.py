"""Loads a model from its files, in the fastest way of running that passes its check.

Owns the order in which these ways are tried. A plain GGUF file is read without transformers, whose import takes
seconds and 100 MB; everything else is read with it.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer

from aix_lsp.engine.model import gguf, llama_shape, precision
from aix_lsp.engine.model.assembled import Assembled, ReadyModel
from aix_lsp.engine.model.gguf_lean import PlainFile, plain_file
from aix_lsp.engine.model.kernel_choice import candidates
from aix_lsp.engine.model.precision import Precision
from aix_lsp.engine.model.prepared import Prepared
from aix_lsp.engine.model.quantised import RunSettings, Unfit, quantised
from aix_lsp.engine.model.selfcheck import sample_tokens
from aix_lsp.engine.options import EngineOptions, ModelError, Progress
from aix_lsp.gguf.header import GgufError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Files:
    """A model's files, which hold `parameters` weights, and how to load them."""

    folder: Path
    parameters: int
    options: EngineOptions
    device: torch.device
    progress: Progress

    def load(self, chosen: Precision, keep: Prepared | None) -> ReadyModel:
        """Read and assemble the model; the parts of it that `keep` supports are stored there. Raises ModelError."""
        plain = plain_file(self.folder) if chosen.int8 and gguf.is_made(self.folder) else None
        if plain is not None:
            tokenizer = Tokenizer.from_file(str(self.folder / "tokenizer.json"))
            context, ends, vocab = plain.context, plain.ends, plain.vocab_size
        else:
            from aix_lsp.engine.model.reading import context_length, read_tokenizer

            vocab = self._config.get_text_config().vocab_size
            theirs = read_tokenizer(self.folder, self.options)
            tokenizer = theirs.backend_tokenizer
            # A file may ask for texts of some length, which transformers ignores unless its caller asks, too.
            tokenizer.no_truncation()
            tokenizer.no_padding()
            context, ends = context_length(self._config), frozenset({theirs.eos_token_id} - {None})
        wanted = RunSettings(
            self.options.dtype,
            chosen,
            self.device,
            context,
            sample_tokens(tokenizer, vocab),
            tokenizer.to_str(),
            ends,
            progress=self.progress,
        )
        return ReadyModel(self._assemble(wanted, plain, keep), tokenizer, context)

    @cached_property
    def _config(self) -> Any:
        from aix_lsp.engine.model.reading import read_config

        return read_config(self.folder, self.options)

    def _assemble(self, wanted: RunSettings, plain: PlainFile | None, keep: Prepared | None) -> Assembled:
        """The fastest way of running that passes its check. A failed attempt may have taken the model apart, so each
        starts from the files."""
        lean = plain is not None or self._config.model_type in llama_shape.FAMILIES
        chosen, unquantised = wanted.precision, precision.unquantised(self.device, self.parameters)
        reason = ""
        while True:
            try:
                if plain is not None and wanted.precision.int8 and lean:
                    found = self._from_plain(plain, wanted, keep)
                else:
                    found = self._by_transformers(lean, wanted, keep)
                return replace(found, running=found.running + reason)
            except Unfit as error:
                how = f"{'lean' if lean else 'paged'}, {wanted.precision.name}"
                log.warning("%s cannot run %s: %s", self.options.model, how, error)
                reason = reason or f"; not otherwise, since {error}"
                wrong = {kernel.name for kernel in error.choice.kernels} if error.choice else set()
            if wrong and (left := candidates(self.options.dtype, wanted.excluded | wrong)):
                log.info("kernels left: %s", ", ".join(kernel.name for kernel in left))
                wanted = replace(wanted, excluded=wanted.excluded | wrong)
            elif wanted.precision.int8 and self.options.dtype == "auto":
                wanted = replace(wanted, precision=unquantised)
            elif lean:
                lean, wanted = False, replace(wanted, precision=chosen, excluded=frozenset())
            else:
                return self._recomputing(replace(wanted, precision=unquantised))

    def _from_plain(self, file: PlainFile, wanted: RunSettings, keep: Prepared | None) -> Assembled:
        self.progress("weights", 0.0)
        try:
            lean = file.read(wanted.precision.load)
        except GgufError as error:
            raise ModelError(
                f"cannot read the weights of {self.options.model} ({error}); change the setting model"
            ) from error
        return quantised(lean, wanted, keep)

    def _by_transformers(self, lean: bool, wanted: RunSettings, keep: Prepared | None) -> Assembled:
        from aix_lsp.engine.model.assemble import assemble_lean, assemble_paged

        model, wanted = self._read(wanted)
        return assemble_lean(model, wanted, keep) if lean else assemble_paged(model, wanted)

    def _recomputing(self, wanted: RunSettings) -> Assembled:
        from aix_lsp.engine.model.assemble import assemble_recomputing

        name = self.options.model
        model, wanted = self._read(wanted)
        try:
            found = assemble_recomputing(model, self.device, wanted.ends)
        except Unfit as error:
            raise ModelError(f"{name} cannot be run here: {error}; change the setting model") from error
        log.warning("%s runs without a KV cache, which is slow; choose another with the setting model", name)
        return found

    def _read(self, wanted: RunSettings) -> tuple[Any, RunSettings]:
        """The transformers model, and `wanted` with the end tokens that it names."""
        from aix_lsp.engine.model.reading import end_tokens, read_model

        self.progress("weights", 0.0)
        model = read_model(self.folder, self.options, self._config, wanted.precision.load, self.device)
        return model, replace(wanted, ends=wanted.ends.union(end_tokens(model)))
