"""A model that is ready to compute, including one restored from what an earlier start prepared.

Imports nothing from transformers, which prepared models do not need.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from aix_lsp.engine.model.kernel_choice import KernelChoice
from aix_lsp.engine.model.kv import LayerShape
from aix_lsp.engine.model.lean import LeanForward
from aix_lsp.engine.model.lean_state import LeanState, restore
from aix_lsp.engine.model.llama_shape import Dimensions
from aix_lsp.engine.model.prepared import Findings, Prepared, Stored
from aix_lsp.engine.model.runner import Forward

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Assembled:
    """A checked forward pass, what its KV pool must hold, and how it computes, for people."""

    forward: Forward
    shapes: Mapping[int, LayerShape]
    cache_dtype: torch.dtype
    vocab_size: int
    dtype: str
    running: str


@dataclass(frozen=True, slots=True)
class Read:
    """A model that is ready to compute, its tokenizer, its context length, its end tokens, and the numbers of threads
    that an earlier start chose, if any."""

    assembled: Assembled
    tokenizer: Any
    context: int
    ends: frozenset[int]
    threads: Mapping[str, int] = field(default_factory=dict)


def read_prepared(keep: Prepared) -> Read | None:
    """The model as an earlier start stored it; None if there is none, or none that can be used here."""
    found = assemble_prepared(keep)
    if found is None:
        return None
    assembled, stored = found
    findings = stored.findings
    ends = frozenset(findings.end_tokens)
    return Read(assembled, stored.tokenizer, findings.context, ends, findings.threads)


@torch.inference_mode()
def assemble_prepared(keep: Prepared) -> tuple[Assembled, Stored] | None:
    """The stored result of `assemble_lean`; None if there is none, or none that can be used here."""
    stored = keep.read()
    if stored is None:
        return None
    findings = stored.findings
    try:
        state = LeanState(
            stored.kept,
            stored.repacked,
            Dimensions(**findings.dimensions),
            findings.layers,
            KernelChoice(**findings.choice),
        )
        return assembled(findings, LeanForward(restore(state))), stored
    except Exception as error:  # whatever is wrong with what an earlier start left, this one does without
        log.warning("the prepared model cannot be used (%s); it is prepared again", error)
        keep.remove()
        return None


def assembled(findings: Findings, forward: LeanForward) -> Assembled:
    choice = KernelChoice(**findings.choice)
    return Assembled(
        forward,
        {int(layer): LayerShape(*shape) for layer, shape in findings.shapes.items()},
        torch.float32,
        findings.vocab_size,
        choice.dtype,
        f"lean, {choice}; against float32: {findings.agreement}",
    )
