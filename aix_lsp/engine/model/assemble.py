"""Turns a transformers model into a checked, possibly quantised forward pass with its KV pool.

Knows the ways to run a model, but no files, and settings only in error messages. Importing it imports transformers:
seconds and 100 MB.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch

from aix_lsp.engine.model import llama_shape
from aix_lsp.engine.model.assembled import Assembled
from aix_lsp.engine.model.generic import (
    RECOMPUTED_DTYPE,
    RECOMPUTED_SHAPES,
    LayerProbe,
    RecomputeForward,
    TransformersForward,
    weight_bytes,
)
from aix_lsp.engine.model.int8_linear import observed, quantize_linears
from aix_lsp.engine.model.kernel_choice import candidates
from aix_lsp.engine.model.kernels import Bfloat16Projection, packs_bfloat16
from aix_lsp.engine.model.kv import LayerShape
from aix_lsp.engine.model.lean import LeanForward
from aix_lsp.engine.model.plan import Forward
from aix_lsp.engine.model.prepared import Prepared
from aix_lsp.engine.model.quantised import RunSettings, Unfit, errors_as_unfit, quantised
from aix_lsp.engine.model.selfcheck import Reference, compare, eager_reference, text_logits, worst_error

log = logging.getLogger(__name__)

_TOLERANCE = {torch.float32: 2e-3, torch.float16: 0.1, torch.bfloat16: 0.3}


@torch.inference_mode()
@errors_as_unfit()
def assemble_lean(model: Any, wanted: RunSettings, keep: Prepared | None = None) -> Assembled:
    """Our own layer loop over paged KV, for Llama-shaped models; `model` is taken apart. With `keep`, the findings and
    the result are stored there. Raises Unfit."""
    reference, generic, probe = _begin(model, wanted)
    del generic
    lean = llama_shape.take_apart(model, probe.forms, wanted.positions)
    del model
    forward = LeanForward(lean)
    _check("the lean path", forward, reference, probe.shapes, lean.dtype, wanted.device)
    if wanted.precision.int8:
        del forward
        return quantised(lean, replace(wanted, sample=wanted.sample or reference.sequences[0]), keep)
    if lean.dtype is torch.bfloat16 and wanted.device.type == "cpu" and packs_bfloat16():
        lean.convert(Bfloat16Projection, lambda share: wanted.progress("quantize", share))
    name, shapes, vocab = wanted.precision.name, lean.shapes, lean.vocab_size
    return Assembled(forward, lean.nbytes, shapes, lean.dtype, vocab, wanted.ends, name, f"lean, {name}")


@torch.inference_mode()
@errors_as_unfit()
def assemble_paged(model: Any, wanted: RunSettings) -> Assembled:
    """transformers' layer loop with our attention, over paged KV. Raises Unfit."""
    reference, generic, probe = _begin(model, wanted)
    dtype = model.dtype
    _check("the generic path", generic, reference, probe.shapes, dtype, wanted.device)
    name = wanted.precision.name
    running = f"generic, {name}"
    if wanted.precision.int8:
        tokens = wanted.sample or reference.sequences[0]
        with observed(model) as plains:
            exact = text_logits(generic, tokens, probe.shapes, dtype, wanted.device)
        choice = quantize_linears(model, plains, candidates("int8", wanted.excluded))
        agreement = compare(text_logits(generic, tokens, probe.shapes, dtype, wanted.device), exact)
        log.info("the generic path, %s against float32: %s", choice, agreement)
        if not agreement.good:
            raise Unfit(f"computed with {choice} it differs from float32: {agreement}", choice)
        running = f"generic, {choice}; compared with float32 on a piece of code: {agreement}"
    size, vocab = weight_bytes(model), reference.vocab_size
    return Assembled(generic, size, probe.shapes, dtype, vocab, wanted.ends, name, running)


@torch.inference_mode()
@errors_as_unfit()
def assemble_recomputing(model: Any, device: torch.device, ends: frozenset[int] = frozenset()) -> Assembled:
    """transformers' forward pass without a KV cache. Raises Unfit."""
    reference = eager_reference(model)
    forward = RecomputeForward(model)
    shapes, dtype = RECOMPUTED_SHAPES, RECOMPUTED_DTYPE
    error = worst_error(forward, reference, shapes, dtype, device)
    if error > _TOLERANCE[model.dtype]:
        raise Unfit(f"its output depends on more than its tokens (error {error:.2g})")
    name, size = str(model.dtype).removeprefix("torch."), weight_bytes(model)
    running = f"without a KV cache, {name}"
    return Assembled(forward, size, shapes, dtype, reference.vocab_size, ends, name, running)


def _begin(model: Any, wanted: RunSettings) -> tuple[Reference, TransformersForward, LayerProbe]:
    """(transformers' logits, its layer loop with our attention, what that loop shows of the layers). Raises Unfit."""
    wanted.progress("check", 0.0)
    if not model._can_set_attn_implementation():
        raise Unfit("its attention cannot be replaced")
    reference = eager_reference(model)
    generic = TransformersForward(model)
    probe = generic.probe(wanted.device)
    if not probe.shapes:
        raise Unfit("it does not call the attention function that it is given")
    return reference, generic, probe


def _check(
    what: str,
    forward: Forward,
    reference: Reference,
    shapes: Mapping[int, LayerShape],
    dtype: torch.dtype,
    device: torch.device,
) -> None:
    """Raise Unfit if the logits are not those of the reference."""
    error, limit = worst_error(forward, reference, shapes, dtype, device), _TOLERANCE[dtype]
    log.info("self-check of %s: error %.2g of the logits' deviation (limit %.2g)", what, error, limit)
    if error > limit:
        raise Unfit(f"{what} differs from transformers' eager logits by {error:.2g} deviations")
