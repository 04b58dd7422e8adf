"""Turns options into a model that is ready to run. Owns the order of loading and its errors; the parts are in source,
precision, from_files, prepared, memory and threads. A prepared model is loaded without importing transformers.
"""

from __future__ import annotations

import gc
from dataclasses import dataclass
from pathlib import Path

import torch

from aix_lsp.engine.model import memory, precision, threads
from aix_lsp.engine.model.assembled import Assembled, ReadyModel, read_prepared
from aix_lsp.engine.model.graphs import GraphedForward, record_cuda
from aix_lsp.engine.model.kv import KvPool, bytes_per_token
from aix_lsp.engine.model.lean import LeanForward
from aix_lsp.engine.model.precision import Precision
from aix_lsp.engine.model.prepared import Prepared, prepared
from aix_lsp.engine.model.runner import TorchRunner
from aix_lsp.engine.model.source import check_folder, find_folder, model_files
from aix_lsp.engine.options import EngineOptions, LoadedModel, ModelError, Progress
from aix_lsp.machine import available_bytes

PAGE_SIZE = 16
_SMALL = 100_000_000
"""Parameters below which a second thread does not speed up loading."""


def load(options: EngineOptions, progress: Progress) -> LoadedModel:
    """Load `options.model`. `progress` is called with the stages `files`, `download`, `weights`, `check`, `quantize`
    and `threads`. Raises ModelError."""
    device = precision.find_device(options.device)
    progress("files", 0.0)
    folder = find_folder(options, progress)
    parameters = check_folder(folder, options.model)
    chosen = precision.choose(options.dtype, device, parameters)
    what = {"dtype": options.dtype, "threads": options.threads, "trusted": options.trust_remote_code}
    keep = prepared(model_files(folder), **what) if chosen.int8 else None
    try:
        return _Loading(options, progress, device, folder, parameters).finish(chosen, keep)
    except (MemoryError, RuntimeError) as error:
        if memory.ran_out(error):
            raise ModelError(
                f"memory ran out while loading {options.model}; lower kvMemoryMb, close other programs, or choose "
                "a smaller model (setting model)"
            ) from error
        raise


@dataclass(frozen=True, slots=True)
class _Loading:
    """The state of loading one model, from its readable files to a runner."""

    options: EngineOptions
    progress: Progress
    device: torch.device
    folder: Path
    parameters: int

    def finish(self, chosen: Precision, keep: Prepared | None) -> LoadedModel:
        """Read, assemble and measure, except for what an earlier start has already done."""
        most_threads = threads.begin(self.options.threads, small=self.parameters < _SMALL)
        read = (read_prepared(keep) if keep else None) or self._from_files(chosen, keep)
        assembled = read.assembled
        memory.give_back()
        pool = self._pool(assembled, read.context)
        context = min(read.context, (pool.page_count - 1) * PAGE_SIZE)
        runner = self._runner(assembled, pool, context)
        self.progress("threads", 0.0)
        if not self.options.threads and self.device.type == "cpu":
            self._govern(runner, most_threads, read.threads, keep)
        return LoadedModel(
            runner=runner,
            tokenizer=read.tokenizer,
            name=self.options.model,
            device=str(self.device),
            dtype=assembled.dtype,
            context_length=context,
            eos_token_ids=assembled.ends,
            parameters=self.parameters,
            weight_bytes=assembled.nbytes,
            pool_bytes=pool.nbytes,
            running=assembled.running,
        )

    def _from_files(self, chosen: Precision, keep: Prepared | None) -> ReadyModel:
        from aix_lsp.engine.model.from_files import Files

        self._check_memory(chosen)
        read = Files(self.folder, self.parameters, self.options, self.device, self.progress).load(
            chosen, keep
        )
        gc.collect()  # transformers' models contain reference cycles
        return read

    def _check_memory(self, chosen: Precision) -> None:
        free, needed = _free_bytes(self.device), self.parameters * chosen.load.itemsize
        if free is not None and needed > free:
            raise ModelError(
                f"{self.options.model} takes {needed / 1e9:.1f} GB while it loads, and {free / 1e9:.1f} GB are "
                "free; close other programs, or choose a smaller model (setting model)"
            )

    def _govern(
        self, runner: TorchRunner, most: int, known: threads.Threads | None, keep: Prepared | None
    ) -> None:
        """Give the runner its numbers of threads: those chosen earlier, or the fastest ones now."""
        if known is not None and min(known.few, known.many) > 0 and known.most <= most:
            runner.govern(known)
            return
        chosen = threads.choose(runner, most)
        runner.govern(chosen)
        if keep is not None:
            keep.note_threads(chosen)

    def _pool(self, assembled: Assembled, context: int) -> KvPool:
        free = _free_bytes(self.device)
        budget = memory.Budget(self.options.kv_memory_mb, free)
        if self.device.type == "cuda":
            # A GPU's memory is meant to be used, and cannot swap.
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


def _free_bytes(device: torch.device) -> int | None:
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return available_bytes()
