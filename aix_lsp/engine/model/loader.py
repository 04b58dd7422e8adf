"""From options to a model that is ready to run. Owns the order of loading and its errors; see source,
precision, assemble, memory and threads for the parts.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from aix_lsp.engine.model import llama_shape, memory, precision, threads
from aix_lsp.engine.model.assemble import Assembled, Unfit, assemble_paged, assemble_recomputing
from aix_lsp.engine.model.graphs import GraphedForward, record_cuda
from aix_lsp.engine.model.kv import KvPool, bytes_per_token
from aix_lsp.engine.model.lean import LeanForward
from aix_lsp.engine.model.precision import Precision
from aix_lsp.engine.model.reading import context_length, end_tokens, read_config, read_model, read_tokenizer
from aix_lsp.engine.model.runner import TorchRunner
from aix_lsp.engine.model.source import Weights, check_folder, find_folder
from aix_lsp.engine.options import EngineOptions, LoadedModel, ModelError, Progress

log = logging.getLogger(__name__)

PAGE_SIZE = 16
_SMALL = 100_000_000
"""Parameters below which loading gains nothing from a second thread."""


def load(options: EngineOptions, progress: Progress) -> LoadedModel:
    """Load `options.model` and make it ready; `progress` is told the stages `files`, `download`, `weights`,
    `check`, `quantize` and `threads`. Raises ModelError."""
    device = precision.find_device(options.device)
    progress("files", 0.0)
    folder = find_folder(options, progress)
    weights = check_folder(folder, options.model)
    chosen = precision.choose(options.dtype, device, weights.parameters)
    _check_memory(options, weights, chosen, device)
    config = read_config(folder, options)
    tokenizer = read_tokenizer(folder, options)
    try:
        return _Loading(options, progress, device, folder, weights, config, tokenizer).finish(chosen)
    except (MemoryError, RuntimeError) as error:
        if memory.ran_out(error):
            raise ModelError(
                f"memory ran out while loading {options.model}; lower kvMemoryMb, close other programs, or choose "
                "a smaller model (setting model)"
            ) from error
        raise


@dataclass(frozen=True, slots=True)
class _Loading:
    """One model on its way from readable files to a runner."""

    options: EngineOptions
    progress: Progress
    device: torch.device
    folder: Path
    weights: Weights
    config: Any
    tokenizer: Any

    def finish(self, chosen: Precision) -> LoadedModel:
        """Read, assemble, and measure."""
        most_threads = threads.begin(self.options.threads, small=self.weights.parameters < _SMALL)
        context = context_length(self.config)
        assembled, model, chosen = self._assemble(chosen, context)
        pool = self._pool(assembled, context)
        context = min(context, (pool.page_count - 1) * PAGE_SIZE)
        runner = self._runner(assembled, pool, context)
        self.progress("threads", 0.0)
        if not self.options.threads and self.device.type == "cpu":
            runner.govern(threads.choose(runner, most_threads))
        return LoadedModel(
            runner=runner,
            tokenizer=self.tokenizer,
            name=self.options.model,
            device=str(self.device),
            dtype=chosen.name,
            context_length=context,
            eos_token_ids=end_tokens(model, self.tokenizer),
            parameters=self.weights.parameters,
            weight_bytes=assembled.forward.nbytes,
            pool_bytes=pool.nbytes,
        )

    def _assemble(self, chosen: Precision, context: int) -> tuple[Assembled, Any, Precision]:
        """The fastest way of running that passes its check. A way that fails may have taken the model
        apart, so each starts from the files."""
        name, plain = self.options.model, precision.unquantised(self.device, self.weights.parameters)
        attempts = [(True, chosen)] if self.config.model_type in llama_shape.FAMILIES else []
        attempts.append((False, chosen))
        if chosen.int8 and self.options.dtype == "auto":
            attempts.append((False, plain))
        for lean, tried in attempts:
            model = self._read(tried)
            try:
                found = assemble_paged(model, tried, self.device, context, lean, self.progress)
                return found, model, tried
            except Unfit as error:
                how = "lean" if lean else "paged"
                log.warning("%s does not run %s in %s: %s", name, how, tried.name, error)
            del model
        model = self._read(plain)
        try:
            found = assemble_recomputing(model, self.device)
        except Unfit as error:
            raise ModelError(f"{name} cannot be run here: {error}; change the setting model") from error
        log.warning("%s runs without a KV cache, which is slow; choose another with the setting model", name)
        return found, model, plain

    def _read(self, chosen: Precision) -> Any:
        self.progress("weights", 0.0)
        return read_model(self.folder, self.options, self.config, chosen.load, self.device)

    def _pool(self, assembled: Assembled, context: int) -> KvPool:
        free = _free_bytes(self.device)
        budget = memory.Budget(self.options.kv_memory_mb, free)
        if self.device.type == "cuda":
            # A GPU's memory is there to be used, and has no swap to fall back on.
            budget = memory.Budget(self.options.kv_memory_mb, free, share=0.3, limit=8192 * memory.MIB)
        dtype = assembled.cache_dtype
        pages = memory.kv_page_count(budget, bytes_per_token(assembled.shapes, dtype), PAGE_SIZE, context)
        clear = self.device.type != "cpu"
        return KvPool(assembled.shapes, pages, PAGE_SIZE, dtype, self.device, clear)

    def _runner(self, assembled: Assembled, pool: KvPool, context: int) -> TorchRunner:
        forward = assembled.forward
        if self.device.type == "cuda" and isinstance(forward, LeanForward):
            forward = GraphedForward(forward, pool, record_cuda)
        batched = self.device.type != "cpu"
        return TorchRunner(forward, pool, assembled.vocab_size, context, batched)


def _check_memory(options: EngineOptions, weights: Weights, chosen: Precision, device: torch.device) -> None:
    free = _free_bytes(device)
    needed = weights.parameters * chosen.load.itemsize
    if free is not None and needed > free:
        raise ModelError(
            f"{options.model} takes {needed / 1e9:.1f} GB while it loads, and {free / 1e9:.1f} GB are free; "
            "close other programs, or choose a smaller model (setting model)"
        )


def _free_bytes(device: torch.device) -> int | None:
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return memory.available_bytes()
