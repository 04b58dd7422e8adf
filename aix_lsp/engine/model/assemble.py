"""From a model of transformers to a forward pass with its KV pool: chosen, checked, quantised.

Knows which ways of running there are; knows no files and no settings' names but in its errors.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from aix_lsp.engine.model import llama_shape, recompute
from aix_lsp.engine.model.generic import TransformersForward
from aix_lsp.engine.model.kv import LayerShape, ShapeProbe
from aix_lsp.engine.model.lean import LeanForward
from aix_lsp.engine.model.memory import ran_out
from aix_lsp.engine.model.precision import Precision
from aix_lsp.engine.model.projection import PackedBfloat16Projection, packs_bfloat16
from aix_lsp.engine.model.quantize import CACHED, int8_projection, quantize_linears
from aix_lsp.engine.model.recompute import RecomputeForward
from aix_lsp.engine.model.runner import Forward
from aix_lsp.engine.model.selfcheck import Reference, eager_reference, probe_layers, worst_error
from aix_lsp.engine.options import Progress

log = logging.getLogger(__name__)

_TOLERANCE = {torch.float32: 2e-3, torch.float16: 0.1, torch.bfloat16: 0.3}
_INT8_TOLERANCE = 0.5
"""Of a deviation of the logits. A wrong mask or position gives more than 1; int8 gives a few hundredths."""


def silent(stage: str, share: float) -> None:
    """A progress that nobody watches."""


class Unfit(Exception):
    """This way of running does not compute what transformers computes for this model. The model may be
    spent."""


@contextmanager
def _errors_as_unfit() -> Iterator[None]:
    """Whatever a model's code raises, such as for an operation that a device lacks, is a reason to run it
    otherwise."""
    try:
        yield
    except Unfit:
        raise
    except Exception as error:
        if ran_out(error):
            raise
        first = (str(error) or type(error).__name__).splitlines()[0]
        raise Unfit(f"its code fails: {first}") from error


@dataclass(frozen=True, slots=True)
class Assembled:
    """A checked forward pass and what its KV pool must hold."""

    forward: Forward
    shapes: Mapping[int, LayerShape]
    cache_dtype: torch.dtype
    vocab_size: int


@torch.inference_mode()
@_errors_as_unfit()
def assemble_paged(
    model: Any,
    precision: Precision,
    device: torch.device,
    positions: int,
    lean: bool,
    progress: Progress = silent,
) -> Assembled:
    """Our own layer loop where `lean`, else transformers' with our attention; over paged KV. `positions` is
    the longest sequence; `progress` is told the stages `check` and `quantize`. Raises Unfit."""
    progress("check", 0.0)
    if not model._can_set_attn_implementation():
        raise Unfit("its attention cannot be replaced")
    reference = eager_reference(model)
    generic = TransformersForward(model)
    probe = probe_layers(generic, device)
    if not probe.shapes:
        raise Unfit("it does not call the attention function that it is given")
    check = _Check(reference, probe.shapes, device)
    if lean:
        forward, dtype = _lean(model, probe, precision, positions, check, progress)
    else:
        forward, dtype = _generic(generic, precision, check)
    return Assembled(forward, probe.shapes, dtype, reference.vocab_size)


@torch.inference_mode()
@_errors_as_unfit()
def assemble_recomputing(model: Any, device: torch.device) -> Assembled:
    """Without KV. Raises Unfit."""
    reference = eager_reference(model)
    forward = RecomputeForward(model)
    error = worst_error(forward, reference, recompute.SHAPES, recompute.POOL_DTYPE, device)
    if error > _TOLERANCE[model.dtype]:
        raise Unfit(f"its output depends on more than its tokens (error {error:.2g})")
    return Assembled(forward, recompute.SHAPES, recompute.POOL_DTYPE, reference.vocab_size)


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


def _lean(
    model: Any, probe: ShapeProbe, precision: Precision, positions: int, check: _Check, progress: Progress
) -> tuple[Forward, torch.dtype]:
    lean = llama_shape.take_apart(model, probe.forms, positions)
    forward = LeanForward(lean)
    check(forward, lean.dtype, _TOLERANCE[lean.dtype], "the lean path")
    if precision.int8:
        cached = lean.weight_count() <= CACHED
        lean.convert(
            lambda plain: int8_projection(plain.weight, plain.bias, plain.norm, cached),
            lambda share: progress("quantize", share),
        )
        lean.dtype, lean.cache_dtype = precision.run, precision.cache
        forward = LeanForward(lean)
        check(forward, lean.cache_dtype, _INT8_TOLERANCE, "the lean path in int8")
    elif lean.dtype is torch.bfloat16 and check.device.type == "cpu" and packs_bfloat16():
        lean.convert(PackedBfloat16Projection, lambda share: progress("quantize", share))
    return forward, lean.cache_dtype


def _generic(
    forward: TransformersForward, precision: Precision, check: _Check
) -> tuple[Forward, torch.dtype]:
    dtype = forward.model.dtype
    check(forward, dtype, _TOLERANCE[dtype], "the generic path")
    if precision.int8:
        quantize_linears(forward.model)
        check(forward, dtype, _INT8_TOLERANCE, "the generic path in int8")
    return forward, dtype
