"""From a model of transformers to a forward pass with its KV pool: chosen, checked, quantised.

Knows which ways of running there are; knows no files and no settings' names but in its errors. Importing it takes
seconds and 100 MB, for transformers' models.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, astuple, dataclass
from typing import Any

import torch

from aix_lsp.engine.model import llama_shape, recompute
from aix_lsp.engine.model.agreement import compare, text_logits
from aix_lsp.engine.model.assembled import Assembled, assemble_prepared, assembled
from aix_lsp.engine.model.generic import TransformersForward
from aix_lsp.engine.model.int8_linear import observed, quantize_linears
from aix_lsp.engine.model.kernel_choice import (
    KernelChoice,
    Measured,
    candidates,
    describe,
    measure,
    remember_speed,
)
from aix_lsp.engine.model.kernel_choice import choose as choose_kernels
from aix_lsp.engine.model.kv import LayerShape, ShapeProbe
from aix_lsp.engine.model.lean import LeanForward, LeanModel
from aix_lsp.engine.model.lean_state import restore, take_state
from aix_lsp.engine.model.llama_shape import Dimensions
from aix_lsp.engine.model.memory import ran_out
from aix_lsp.engine.model.precision import Precision
from aix_lsp.engine.model.prepared import Findings, Prepared
from aix_lsp.engine.model.projection import PackedBfloat16Projection, packs_bfloat16
from aix_lsp.engine.model.reading import end_tokens
from aix_lsp.engine.model.recompute import RecomputeForward
from aix_lsp.engine.model.runner import Forward
from aix_lsp.engine.model.selfcheck import Reference, eager_reference, probe_layers, worst_error
from aix_lsp.engine.options import Progress

log = logging.getLogger(__name__)

_TOLERANCE = {torch.float32: 2e-3, torch.float16: 0.1, torch.bfloat16: 0.3}


def silent(stage: str, share: float) -> None:
    """A progress that nobody watches."""


class Unfit(Exception):
    """This way of running does not compute what transformers computes for this model. The model may be
    spent. `choice` are the kernels that were to blame, where it was not the way itself."""

    def __init__(self, reason: str, choice: KernelChoice | None = None) -> None:
        super().__init__(reason)
        self.choice = choice


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
class Wanted:
    """How a model is to be run: `dtype` is the setting, `auto` or a name; `positions` the longest sequence;
    `sample` some text in tokens, that int8 is judged by; `tokenizer` its JSON, and `ends` the tokens that it says end
    a text, both for the next start; `excluded` kernels are known not to work here."""

    dtype: str
    precision: Precision
    device: torch.device
    positions: int
    sample: Sequence[int] = ()
    tokenizer: str = ""
    ends: frozenset[int] = frozenset()
    excluded: frozenset[str] = frozenset()
    progress: Progress = silent


@torch.inference_mode()
@_errors_as_unfit()
def assemble_lean(model: Any, wanted: Wanted, keep: Prepared | None = None) -> Assembled:
    """Our own layer loop over paged KV, for Llama-shaped models, which is taken apart. With `keep`, what was
    found and made is stored there. Raises Unfit."""
    reference, generic, probe, check = _begin(model, wanted)
    ends = wanted.ends.union(end_tokens(model))
    dimensions = Dimensions.of(model.config)
    lean = llama_shape.take_apart(model, probe.forms, wanted.positions)
    check(forward := LeanForward(lean), lean.dtype, _TOLERANCE[lean.dtype], "the lean path")
    del generic
    if not wanted.precision.int8:
        if lean.dtype is torch.bfloat16 and wanted.device.type == "cpu" and packs_bfloat16():
            lean.convert(PackedBfloat16Projection, lambda share: wanted.progress("quantize", share))
        name = wanted.precision.name
        return Assembled(forward, probe.shapes, lean.cache_dtype, reference.vocab_size, name, f"lean, {name}")
    tokens = wanted.sample or reference.sequences[0]
    lean.observe()
    exact = text_logits(forward, tokens, probe.shapes, lean.dtype, wanted.device)
    measured, choice = _choose_kernels(lean, wanted)
    wanted.progress("quantize", 0.0)
    state = take_state(lean, dimensions, choice)
    del lean, forward
    findings = Findings(
        choice=asdict(choice),
        agreement="",
        measured=[describe(one) for one in measured],
        dimensions=asdict(dimensions),
        layers=state.layers,
        context=wanted.positions,
        shapes={str(layer): list(astuple(shape)) for layer, shape in probe.shapes.items()},
        vocab_size=reference.vocab_size,
        end_tokens=sorted(ends),
    )
    made = LeanForward(restore(state))
    found = text_logits(made, tokens, probe.shapes, torch.float32, wanted.device)
    agreement = compare(found, exact)
    log.info("%s against float32: %s", choice, agreement)
    if not agreement.good:
        raise Unfit(f"computed with {choice} it differs from float32: {agreement}", choice)
    findings.agreement = str(agreement)
    if keep is None or not keep.write(findings, state.kept, state.repacked, wanted.tokenizer):
        return assembled(findings, made)
    del made, state, found, exact  # freed before the stored form is read
    return _from_store(keep)


def _from_store(keep: Prepared) -> Assembled:
    again = assemble_prepared(keep)
    if again is None:
        raise Unfit("its stored form cannot be read")
    return again[0]


def _choose_kernels(lean: LeanModel, wanted: Wanted) -> tuple[list[Measured], KernelChoice]:
    """The speed of each kernel that is correct for this model here, and the fastest choice."""
    wanted.progress("measure", 0.0)
    parts = lean.layer_projections()
    measured = measure(parts, candidates(wanted.dtype, wanted.excluded))
    choice = choose_kernels(measured, lean.weight_count())
    remember_speed(choice, measured, parts)
    return measured, choice


@torch.inference_mode()
@_errors_as_unfit()
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
@_errors_as_unfit()
def assemble_recomputing(model: Any, device: torch.device) -> Assembled:
    """Without KV. Raises Unfit."""
    reference = eager_reference(model)
    forward = RecomputeForward(model)
    error = worst_error(forward, reference, recompute.SHAPES, recompute.POOL_DTYPE, device)
    if error > _TOLERANCE[model.dtype]:
        raise Unfit(f"its output depends on more than its tokens (error {error:.2g})")
    name = str(model.dtype).removeprefix("torch.")
    running = f"without a KV cache, {name}"
    return Assembled(forward, recompute.SHAPES, recompute.POOL_DTYPE, reference.vocab_size, name, running)


def _begin(model: Any, wanted: Wanted) -> tuple[Reference, TransformersForward, ShapeProbe, _Check]:
    """What transformers computes, its layer loop with our attention, what that loop shows of the layers, and the
    check against the first."""
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
