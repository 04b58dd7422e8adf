"""Turns a Llama-shaped float model into the same model with the fastest kernels that are correct here.

Measures kernels, quantises, compares with float, and stores the result. Imports nothing from transformers.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from aix_lsp.engine.model.assembled import Assembled, assembled, read_prepared
from aix_lsp.engine.model.kernel_choice import (
    KernelChoice,
    candidates,
    measure,
    remember_speed,
)
from aix_lsp.engine.model.kernel_choice import choose as choose_kernels
from aix_lsp.engine.model.lean import LeanForward, LeanModel
from aix_lsp.engine.model.lean_state import restore, take_state
from aix_lsp.engine.model.memory import ran_out
from aix_lsp.engine.model.precision import Precision
from aix_lsp.engine.model.prepared import Findings, Prepared
from aix_lsp.engine.model.selfcheck import compare, text_logits
from aix_lsp.engine.options import Progress

log = logging.getLogger(__name__)


class Unfit(Exception):
    """This way of running does not compute what transformers computes for this model, which may have been taken apart.
    `choice` are the kernels to blame, if it was not the way itself."""

    def __init__(self, reason: str, choice: KernelChoice | None = None) -> None:
        super().__init__(reason)
        self.choice = choice


@contextmanager
def errors_as_unfit() -> Iterator[None]:
    """Turn any exception from a model's code, such as for an operation that a device lacks, into Unfit: the model must
    be run in another way."""
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
class RunSettings:
    """How to run a model: `dtype` is the setting, `auto` or a name; `positions` the longest sequence; `sample` the
    text, as tokens, by which int8 is judged; `tokenizer` (its JSON) and `ends` (its end tokens) are stored for the next
    start; `excluded` kernels are known not to work here."""

    dtype: str
    precision: Precision
    device: torch.device
    positions: int
    sample: Sequence[int] = ()
    tokenizer: str = ""
    ends: frozenset[int] = frozenset()
    excluded: frozenset[str] = frozenset()
    progress: Progress = lambda stage, share: None


@torch.inference_mode()
@errors_as_unfit()
def quantised(lean: LeanModel, wanted: RunSettings, keep: Prepared | None) -> Assembled:
    """The model with the fastest kernels that are correct here; `lean` is consumed. With `keep`, the findings and the
    result are stored there. Raises Unfit."""
    forward = LeanForward(lean)
    lean.observe()
    exact = text_logits(forward, wanted.sample, lean.shapes, lean.dtype, wanted.device)
    choice = _choose_kernels(lean, wanted)
    wanted.progress("quantize", 0.0)
    state = take_state(lean, choice)
    del lean, forward
    made = LeanForward(restore(state))
    found = text_logits(made, wanted.sample, made.model.shapes, torch.float32, wanted.device)
    agreement = compare(found, exact)
    log.info("%s against float32: %s", choice, agreement)
    if not agreement.good:
        raise Unfit(f"computed with {choice} it differs from float32: {agreement}", choice)
    findings = Findings(state.config, str(agreement), wanted.positions, wanted.ends)
    if keep is None or not keep.write(findings, state, wanted.tokenizer):
        return assembled(findings, made)
    if all(kernel.packs for kernel in choice.kernels):
        # The kernels have copies of their own, and packing takes longest: only the embedding is taken from the store.
        if (stored := keep.read()) is not None:
            made.model.embedding = stored.state.kept["embedding"]
        return assembled(findings, made)
    del made, state, found, exact  # freed before the stored form is read
    if (again := read_prepared(keep)) is None:
        raise Unfit("its stored form cannot be read")
    return again.assembled


def _choose_kernels(lean: LeanModel, wanted: RunSettings) -> KernelChoice:
    """The fastest correct kernels for this model on this machine."""
    wanted.progress("measure", 0.0)
    parts = lean.layer_projections()
    measured = measure(parts, candidates(wanted.dtype, wanted.excluded))
    choice = choose_kernels(measured, lean.weight_count())
    remember_speed(choice, measured, parts)
    return choice
