"""Turns a transformers model into a checked, possibly quantised forward pass with its KV pool.

Knows the ways to run a model, but no files, and settings only in error messages. Importing it imports transformers:
seconds and 100 MB.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch

from aix_lsp.engine.model import llama_shape, recompute
from aix_lsp.engine.model.agreement import compare, text_logits
from aix_lsp.engine.model.assembled import Assembled
from aix_lsp.engine.model.generic import TransformersForward
from aix_lsp.engine.model.int8_linear import observed, quantize_linears
from aix_lsp.engine.model.kernel_choice import candidates
from aix_lsp.engine.model.kv import LayerShape, ShapeProbe
from aix_lsp.engine.model.lean import LeanForward
from aix_lsp.engine.model.llama_shape import Dimensions
from aix_lsp.engine.model.prepared import Prepared
from aix_lsp.engine.model.projection import PackedBfloat16Projection, packs_bfloat16
from aix_lsp.engine.model.quantised import About, Unfit, Wanted, errors_as_unfit, quantised
from aix_lsp.engine.model.reading import end_tokens
from aix_lsp.engine.model.recompute import RecomputeForward
from aix_lsp.engine.model.runner import Forward
from aix_lsp.engine.model.selfcheck import Reference, eager_reference, probe_layers, worst_error

log = logging.getLogger(__name__)

_TOLERANCE = {torch.float32: 2e-3, torch.float16: 0.1, torch.bfloat16: 0.3}


@torch.inference_mode()
@errors_as_unfit()
def assemble_lean(model: Any, wanted: Wanted, keep: Prepared | None = None) -> Assembled:
    """Our own layer loop over paged KV, for Llama-shaped models; `model` is taken apart. With `keep`, the findings and
    the result are stored there. Raises Unfit."""
    reference, generic, probe, check = _begin(model, wanted)
    ends = wanted.ends.union(end_tokens(model))
    dimensions = Dimensions.of(model.config)
    lean = llama_shape.take_apart(model, probe.forms, wanted.positions)
    check(forward := LeanForward(lean), lean.dtype, _TOLERANCE[lean.dtype], "the lean path")
    del generic, check
    if not wanted.precision.int8:
        if lean.dtype is torch.bfloat16 and wanted.device.type == "cpu" and packs_bfloat16():
            lean.convert(PackedBfloat16Projection, lambda share: wanted.progress("quantize", share))
        name = wanted.precision.name
        return Assembled(forward, probe.shapes, lean.cache_dtype, reference.vocab_size, name, f"lean, {name}")
    about = About(dimensions, probe.shapes, reference.vocab_size, ends)
    del forward, model
    wanted = replace(wanted, sample=wanted.sample or reference.sequences[0])
    return quantised(lean, about, wanted, keep)


@torch.inference_mode()
@errors_as_unfit()
def assemble_paged(model: Any, wanted: Wanted) -> Assembled:
    """transformers' layer loop with our attention, over paged KV. Raises Unfit."""
    reference, generic, probe, check = _begin(model, wanted)
    dtype = model.dtype
    check(generic, dtype, _TOLERANCE[dtype], "the generic path")
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
        running = f"generic, {choice}; against float32: {agreement}"
    return Assembled(generic, probe.shapes, dtype, reference.vocab_size, name, running)


@torch.inference_mode()
@errors_as_unfit()
def assemble_recomputing(model: Any, device: torch.device) -> Assembled:
    """transformers' forward pass without a KV cache. Raises Unfit."""
    reference = eager_reference(model)
    forward = RecomputeForward(model)
    error = worst_error(forward, reference, recompute.SHAPES, recompute.POOL_DTYPE, device)
    if error > _TOLERANCE[model.dtype]:
        raise Unfit(f"its output depends on more than its tokens (error {error:.2g})")
    name = str(model.dtype).removeprefix("torch.")
    running = f"without a KV cache, {name}"
    return Assembled(forward, recompute.SHAPES, recompute.POOL_DTYPE, reference.vocab_size, name, running)


def _begin(model: Any, wanted: Wanted) -> tuple[Reference, TransformersForward, ShapeProbe, _Check]:
    """(transformers' logits, its layer loop with our attention, what that loop shows of the layers, the check against
    the logits). Raises Unfit."""
    wanted.progress("check", 0.0)
    if not model._can_set_attn_implementation():
        raise Unfit("its attention cannot be replaced")
    reference = eager_reference(model)
    generic = TransformersForward(model)
    probe = probe_layers(generic, wanted.device)
    if not probe.shapes:
        raise Unfit("it does not call the attention function that it is given")
    return reference, generic, probe, _Check(reference, probe.shapes, wanted.device)


@dataclass(frozen=True, slots=True)
class _Check:
    reference: Reference
    shapes: Mapping[int, LayerShape]
    device: torch.device

    def __call__(self, forward: Forward, dtype: torch.dtype, tolerance: float, what: str) -> None:
        error = worst_error(forward, self.reference, self.shapes, dtype, self.device)
        log.info("self-check of %s: error %.2g of the logits' deviation (limit %.2g)", what, error, tolerance)
        if error > tolerance:
            raise Unfit(f"{what} differs from transformers' eager logits by {error:.2g} deviations")
