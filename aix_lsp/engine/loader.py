"""From options to a model that is ready to run. Owns the order of loading and its errors; see source,
precision, assemble, memory and threads for the parts.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import torch

from aix_lsp.engine import llama_shape, memory, precision, threads
from aix_lsp.engine.assemble import Assembled, Unfit, assemble_paged, assemble_recomputing
from aix_lsp.engine.governor import Governor
from aix_lsp.engine.graphs import GraphedForward, record_cuda
from aix_lsp.engine.kv import KvPool, bytes_per_token
from aix_lsp.engine.lean import LeanForward
from aix_lsp.engine.options import EngineOptions, LoadedModel, ModelError, Progress
from aix_lsp.engine.precision import Precision
from aix_lsp.engine.reading import context_length, end_tokens, read_config, read_model, read_tokenizer
from aix_lsp.engine.runner import TorchRunner
from aix_lsp.engine.source import Weights, check_folder, find_folder

log = logging.getLogger(__name__)

PAGE_SIZE = 16
_SMALL = 100_000_000
"""Parameters below which loading gains nothing from a second thread."""


def load(options: EngineOptions, progress: Progress) -> LoadedModel:
    """Load `options.model` and make it ready; `progress` is told the stages `files`, `download`, `weights`,
    `check` and `threads`. Raises ModelError."""
    device = precision.find_device(options.device)
    progress("files", 0.0)
    folder = find_folder(options, progress)
    weights = check_folder(folder, options.model)
    chosen = precision.choose(options.dtype, device, weights.parameters)
    _check_memory(options, weights, chosen, device)
    config = read_config(folder, options)
    tokenizer = read_tokenizer(folder, options)
    most_threads = threads.begin(options.threads, small=weights.parameters < _SMALL)

    def read(dtype: torch.dtype) -> Any:
        progress("weights", 0.0)
        model = read_model(folder, options, config, dtype, device)
        progress("check", 0.0)
        return model

    try:
        context = context_length(config)
        assembled, model, chosen = _assemble(read, config, chosen, device, weights, options, context)
        pool = _pool(assembled, options, device, context)
        context = min(context, (pool.page_count - 1) * PAGE_SIZE)
        forward = assembled.forward
        if device.type == "cuda" and isinstance(forward, LeanForward):
            forward = GraphedForward(forward, pool, record_cuda)
        runner = TorchRunner(forward, pool, assembled.vocab_size, context, batched=device.type != "cpu")
        progress("threads", 0.0)
        if not options.threads and device.type == "cpu":
            count = threads.choose(runner, most_threads)
            runner.governor = Governor(count, torch.set_num_threads) if count > 1 else None
    except (MemoryError, RuntimeError) as error:
        if memory.ran_out(error):
            raise _no_memory(options) from error
        raise
    return LoadedModel(
        runner=runner,
        tokenizer=tokenizer,
        name=options.model,
        device=str(device),
        dtype=chosen.name,
        context_length=context,
        eos_token_ids=end_tokens(model, tokenizer),
    )


def _assemble(
    read: Callable[[torch.dtype], Any],
    config: Any,
    chosen: Precision,
    device: torch.device,
    weights: Weights,
    options: EngineOptions,
    context: int,
) -> tuple[Assembled, Any, Precision]:
    """The fastest way of running that passes its check. A way that fails may have taken the model apart, so
    each starts from the files."""
    plain = precision.unquantised(device, weights.parameters)
    attempts = [(True, chosen)] if config.model_type in llama_shape.FAMILIES else []
    attempts.append((False, chosen))
    if chosen.int8 and options.dtype == "auto":
        attempts.append((False, plain))
    for lean, tried in attempts:
        model = read(tried.load)
        try:
            return assemble_paged(model, tried, device, context, lean), model, tried
        except Unfit as error:
            log.warning(
                "%s does not run %s in %s: %s", options.model, "lean" if lean else "paged", tried.name, error
            )
    model = read(plain.load)
    try:
        assembled = assemble_recomputing(model, device)
    except Unfit as error:
        raise ModelError(f"{options.model} cannot be run here: {error}; change the setting model") from error
    log.warning(
        "%s runs without a KV cache, which is slow; choose another with the setting model", options.model
    )
    return assembled, model, plain


def _check_memory(options: EngineOptions, weights: Weights, chosen: Precision, device: torch.device) -> None:
    free = _free_bytes(device)
    needed = weights.parameters * chosen.load.itemsize
    if free is not None and needed > free:
        raise ModelError(
            f"{options.model} takes {needed / 1e9:.1f} GB while it loads, and {free / 1e9:.1f} GB are free; "
            "close other programs, or choose a smaller model (setting model)"
        )


def _no_memory(options: EngineOptions) -> ModelError:
    return ModelError(
        f"memory ran out while loading {options.model}; lower kvMemoryMb, close other programs, or choose a "
        "smaller model (setting model)"
    )


def _free_bytes(device: torch.device) -> int | None:
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return memory.available_bytes()


def _pool(assembled: Assembled, options: EngineOptions, device: torch.device, context: int) -> KvPool:
    free = _free_bytes(device)
    # A GPU's memory is there to be used, and has no swap to fall back on.
    budget = (
        memory.Budget(options.kv_memory_mb, free, share=0.3, limit=8192 * memory.MIB)
        if device.type == "cuda"
        else memory.Budget(options.kv_memory_mb, free)
    )
    dtype = assembled.cache_dtype
    pages = memory.kv_page_count(budget, bytes_per_token(assembled.shapes, dtype), PAGE_SIZE, context)
    return KvPool(assembled.shapes, pages, PAGE_SIZE, dtype, device, clear=device.type != "cpu")
