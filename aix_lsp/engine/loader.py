"""From options to a model that is ready to run: files, weights, forward pass, self-check, KV pool,
threads."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from aix_lsp.engine import memory
from aix_lsp.engine.generic import TransformersForward
from aix_lsp.engine.kv import KvPool, bytes_per_token
from aix_lsp.engine.options import EngineOptions, LoadedModel, ModelError, Progress
from aix_lsp.engine.runner import TorchRunner
from aix_lsp.engine.selfcheck import eager_reference, probe_shapes, worst_error

log = logging.getLogger(__name__)

# Bars on standard error would break the log of a process without a terminal.
transformers.utils.logging.disable_progress_bar()

PAGE_SIZE = 16
EMBEDDED = Path(__file__).parent.parent / "embedded"

_TOLERANCE = {torch.float32: 1e-3, torch.float16: 5e-2, torch.bfloat16: 2e-1}


def load(options: EngineOptions, progress: Progress) -> LoadedModel:
    """Load `options.model` and make it ready. Raises ModelError."""
    progress("files", 0.0)
    source = str(EMBEDDED) if options.model == "embedded" else options.model
    config = AutoConfig.from_pretrained(source, local_files_only=options.offline)
    tokenizer = AutoTokenizer.from_pretrained(source, local_files_only=options.offline)
    device = _device(options.device)
    dtype = torch.float32 if device.type == "cpu" else torch.bfloat16
    progress("weights", 0.0)
    model = AutoModelForCausalLM.from_pretrained(
        source, config=config, dtype=dtype, use_safetensors=True, local_files_only=options.offline
    ).to(device)
    model.eval()
    progress("check", 0.0)
    reference = eager_reference(model)
    forward = TransformersForward(model)
    shapes = probe_shapes(forward, device)
    error = worst_error(forward, reference, shapes, dtype, device) if shapes else float("inf")
    if error > _TOLERANCE[dtype]:
        raise ModelError(
            f"the model {options.model} does not run correctly on this engine; choose another (setting model)"
        )
    context_length = int(config.max_position_embeddings)
    token_bytes = bytes_per_token(shapes, dtype)
    pages = memory.kv_page_count(
        token_bytes, PAGE_SIZE, context_length, options.kv_memory_mb, memory.available_bytes()
    )
    pool = KvPool(shapes, pages, PAGE_SIZE, dtype, device)
    runner = TorchRunner(forward, pool, reference.vocab_size, context_length, device)
    return LoadedModel(
        runner=runner,
        tokenizer=tokenizer,
        name=options.model,
        device=device.type,
        dtype=str(dtype).removeprefix("torch."),
        context_length=context_length,
        eos_token_ids=_eos(model, tokenizer),
    )


def _device(name: str) -> torch.device:
    if name != "auto":
        return torch.device(name)
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def _eos(model: Any, tokenizer: Any) -> frozenset[int]:
    ids = [tokenizer.eos_token_id]
    for owner in (model.generation_config, model.config):
        value = getattr(owner, "eos_token_id", None) if owner is not None else None
        ids.extend(value if isinstance(value, list) else [value])
    return frozenset(token for token in ids if token is not None)
