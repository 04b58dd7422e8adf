"""A model that is ready to compute, including one restored from what an earlier start prepared.

Imports nothing from transformers, which prepared models do not need.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from tokenizers import Tokenizer

from aix_lsp.engine.model.kv import LayerShape
from aix_lsp.engine.model.lean import LeanForward
from aix_lsp.engine.model.lean_state import restore
from aix_lsp.engine.model.plan import Forward
from aix_lsp.engine.model.prepared import Findings, Prepared
from aix_lsp.engine.model.threads import Threads

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Assembled:
    """A checked forward pass, its weights' bytes, what its KV pool must hold, its end tokens, and how it computes,
    for people."""

    forward: Forward
    nbytes: int
    shapes: Mapping[int, LayerShape]
    cache_dtype: torch.dtype
    vocab_size: int
    ends: frozenset[int]
    dtype: str
    running: str


@dataclass(frozen=True, slots=True)
class ReadyModel:
    """A model that is ready to compute, its tokenizer, its context length, and the numbers of threads that an earlier
    start chose, if any."""

    assembled: Assembled
    tokenizer: Tokenizer
    context: int
    threads: Threads | None = None


@torch.inference_mode()
def read_prepared(keep: Prepared) -> ReadyModel | None:
    """The model as an earlier start stored it; None if there is none, or none that can be used here."""
    stored = keep.read()
    if stored is None:
        return None
    findings = stored.findings
    try:
        made = assembled(findings, LeanForward(restore(stored.state)))
    except Exception as error:  # whatever is wrong with what an earlier start left, this one does without
        log.warning("the prepared model cannot be used (%s); it is prepared again", error)
        keep.remove()
        return None
    return ReadyModel(made, stored.tokenizer, findings.context, findings.threads)


def assembled(findings: Findings, forward: LeanForward) -> Assembled:
    """A quantised model."""
    model, choice = forward.model, findings.config.choice
    running = f"lean, {choice}; compared with float32 on a piece of code: {findings.agreement}"
    shapes, dtype, vocab = model.shapes, model.dtype, model.vocab_size
    return Assembled(forward, model.nbytes, shapes, dtype, vocab, findings.ends, choice.dtype, running)
