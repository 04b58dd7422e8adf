"""From options to a model that is ready to run. Owns the order of loading and its errors; see source,
precision, assemble, memory and threads for the parts.
"""

from __future__ import annotations

import gc
import logging
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from aix_lsp.engine.model import llama_shape, memory, precision, threads
from aix_lsp.engine.model.agreement import sample_tokens
from aix_lsp.engine.model.assembled import Assembled, assemble_prepared
from aix_lsp.engine.model.graphs import GraphedForward, record_cuda
from aix_lsp.engine.model.kernel_choice import candidates
from aix_lsp.engine.model.kv import KvPool, bytes_per_token
from aix_lsp.engine.model.lean import LeanForward
from aix_lsp.engine.model.precision import Precision
from aix_lsp.engine.model.prepared import Prepared, prepared
from aix_lsp.engine.model.reading import context_length, end_tokens, read_config, read_model, read_tokenizer
from aix_lsp.engine.model.runner import TorchRunner
from aix_lsp.engine.model.source import Weights, check_folder, find_folder
from aix_lsp.engine.options import EngineOptions, LoadedModel, ModelError, Progress
from aix_lsp.machine import available_bytes

log = logging.getLogger(__name__)

PAGE_SIZE = 16
_SMALL = 100_000_000
"""Parameters below which loading gains nothing from a second thread."""


def load(options: EngineOptions, progress: Progress) -> LoadedModel:
    """Load `options.model` and make it ready; `progress` gets the stages `files`, `download`, `weights`,
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
        """Read, assemble, and measure, as far as an earlier start has not."""
        most_threads = threads.begin(self.options.threads, small=self.weights.parameters < _SMALL)
        context = context_length(self.config)
        keep = self._keep(chosen, context)
        stored = None if keep is None else assemble_prepared(keep, self.config)
        if stored is not None:
            assembled, ends, known = stored[0], stored[1].end_tokens, stored[1].threads
        else:
            (assembled, ends), known = self._assemble(chosen, context, keep), {}
        gc.collect()  # transformers' models refer to themselves
        memory.give_back()
        pool = self._pool(assembled, context)
        context = min(context, (pool.page_count - 1) * PAGE_SIZE)
        runner = self._runner(assembled, pool, context)
        self.progress("threads", 0.0)
        if not self.options.threads and self.device.type == "cpu":
            self._govern(runner, most_threads, known, keep)
        return LoadedModel(
            runner=runner,
            tokenizer=self.tokenizer,
            name=self.options.model,
            device=str(self.device),
            dtype=assembled.dtype,
            context_length=context,
            eos_token_ids=frozenset(ends) | {t for t in (self.tokenizer.eos_token_id,) if t is not None},
            parameters=self.weights.parameters,
            weight_bytes=assembled.forward.nbytes,
            pool_bytes=pool.nbytes,
            running=assembled.running,
        )

    def _keep(self, chosen: Precision, context: int) -> Prepared | None:
        """Where what is found and made here is kept; None where nothing is, since nothing is measured."""
        if not chosen.int8 or self.config.model_type not in llama_shape.FAMILIES:
            return None
        files = [
            *self.folder.glob("*.safetensors"),
            *self.folder.glob("gguf.json"),
            self.folder / "config.json",
        ]
        return prepared(files, dtype=self.options.dtype, threads=self.options.threads, context=context)

    def _govern(self, runner: TorchRunner, most: int, known: dict[str, int], keep: Prepared | None) -> None:
        """Give the runner its numbers of threads: those that were chosen before, or what is fastest now."""
        if known and max(known.values()) <= most:
            runner.govern(threads.Threads(**known))
            return
        chosen = threads.choose(runner, most)
        runner.govern(chosen)
        if keep is not None:
            keep.note_threads(asdict(chosen))

    def _assemble(
        self, chosen: Precision, context: int, keep: Prepared | None
    ) -> tuple[Assembled, list[int]]:
        """The fastest way of running that passes its check, and the model's end tokens. A way that fails may have
        taken the model apart, so each starts from the files."""
        from aix_lsp.engine.model.assemble import Unfit, Wanted, assemble_lean, assemble_paged

        lean = self.config.model_type in llama_shape.FAMILIES
        plain = precision.unquantised(self.device, self.weights.parameters)
        wanted = Wanted(
            self.options.dtype, chosen, self.device, context, self._sample(), progress=self.progress
        )
        reason = ""
        while True:
            model = self._read(wanted.precision)
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
                return self._recomputing(plain)

    def _recomputing(self, plain: Precision) -> tuple[Assembled, list[int]]:
        from aix_lsp.engine.model.assemble import Unfit, assemble_recomputing

        name = self.options.model
        model = self._read(plain)
        try:
            found = assemble_recomputing(model, self.device)
        except Unfit as error:
            raise ModelError(f"{name} cannot be run here: {error}; change the setting model") from error
        log.warning("%s runs without a KV cache, which is slow; choose another with the setting model", name)
        return found, end_tokens(model)

    def _sample(self) -> list[int]:
        """The text that int8 is judged by, in the model's tokens."""
        vocab = self.config.get_text_config().vocab_size
        return sample_tokens(lambda text: self.tokenizer(text, add_special_tokens=False).input_ids, vocab)

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
    return available_bytes()
